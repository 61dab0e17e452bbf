/** How a connection to a Key Provider was made. */
export interface ConnectionInfo {
  /** The Key Provider's URL. */
  url: string;
  /** Address and port of the Key Provider, or of the proxy. */
  address: string;
  /** `TLS 1.2` or `TLS 1.3`. */
  tlsVersion: string;
  /** The IANA name of the cipher suite, as in Table 1 of the draft. */
  cipherSuite: string;
  /** What is weaker than Table 1 of the draft asks for. */
  warnings: string[];
}
