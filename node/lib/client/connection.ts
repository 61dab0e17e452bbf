/** Information about a connection to a Key Provider. */
export interface ConnectionInfo {
  /** The Key Provider's URL. */
  url: string;
  /** Address and port of the Key Provider, or of the proxy. */
  address: string;
  /** `TLS 1.2` or `TLS 1.3`. */
  tlsVersion: string;
  /** The IANA name of the cipher suite, as in Table 1 of the draft. */
  cipherSuite: string;
  /** Warnings about anything weaker than Table 1 of the draft. */
  warnings: string[];
}
