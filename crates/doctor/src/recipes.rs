//! How to fix findings in the servers that Key Providers are built with.

use crate::catalogue::Id;

/// One way to fix a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipe {
    /// The server: `nginx`, `stunnel`, `Flask` or `OpenSSL`.
    pub server: &'static str,
    /// The configuration, as one or more lines; or a sentence, if there is none.
    pub text: &'static str,
    /// Whether `text` is a sentence.
    pub is_prose: bool,
}

const fn lines(server: &'static str, text: &'static str) -> Recipe {
    Recipe {
        server,
        text,
        is_prose: false,
    }
}

const fn prose(server: &'static str, text: &'static str) -> Recipe {
    Recipe {
        server,
        text,
        is_prose: true,
    }
}

impl Id {
    /// How to fix it in nginx, stunnel, Flask or OpenSSL; empty if their configuration cannot.
    #[must_use]
    #[allow(clippy::too_many_lines, reason = "a table")]
    pub const fn recipes(self) -> &'static [Recipe] {
        match self {
            Self::Tls13 => {
                const {
                    &[
                        lines(
                            "nginx",
                            "ssl_protocols TLSv1.2 TLSv1.3;\nssl_conf_command Ciphersuites TLS_AES_256_GCM_SHA384;",
                        ),
                        lines(
                            "stunnel",
                            "sslVersionMin = TLSv1.2\nciphersuites = TLS_AES_256_GCM_SHA384",
                        ),
                        prose(
                            "stunnel",
                            "With PSKsecrets the key is bound to SHA-256, so TLS 1.3 with this suite needs certificates there.",
                        ),
                        prose(
                            "OpenSSL",
                            "SSL_CTX_set_psk_find_session_callback with a session whose suite is TLS_AES_256_GCM_SHA384 binds a \
                         pre-shared key to SHA-384; SSL_CTX_set_psk_server_callback cannot.",
                        ),
                    ]
                }
            }
            Self::Tls12Suites => {
                const {
                    &[
                        lines("nginx", "ssl_ciphers ECDHE-ECDSA-AES256-GCM-SHA384;"),
                        lines(
                            "stunnel",
                            "ciphers = DHE-PSK-AES256-GCM-SHA384:DHE-PSK-AES256-CBC-SHA384",
                        ),
                        prose(
                            "OpenSSL",
                            "SSL_CTX_set_cipher_list with the same names; DHE_PSK also needs DH parameters.",
                        ),
                    ]
                }
            }
            Self::TlsOldVersions => {
                const {
                    &[
                        lines("nginx", "ssl_protocols TLSv1.2 TLSv1.3;"),
                        lines("stunnel", "sslVersionMin = TLSv1.2"),
                        lines("OpenSSL", "SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);"),
                    ]
                }
            }
            Self::TlsWeakSuites => {
                const {
                    &[
                        lines(
                            "nginx",
                            "ssl_ciphers ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384;",
                        ),
                        lines(
                            "stunnel",
                            "ciphers = DHE-PSK-AES256-GCM-SHA384:DHE-PSK-AES256-CBC-SHA384",
                        ),
                        prose(
                            "OpenSSL",
                            "SSL_CTX_set_cipher_list with names instead of PSK or ALL, at security level 1 or above.",
                        ),
                    ]
                }
            }
            Self::TlsForwardSecrecy => {
                const {
                    &[
                        lines(
                            "nginx",
                            "ssl_protocols TLSv1.2 TLSv1.3;\nssl_ciphers ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384;",
                        ),
                        lines(
                            "stunnel",
                            "ciphers = DHE-PSK-AES256-GCM-SHA384:DHE-PSK-AES256-CBC-SHA384",
                        ),
                        lines("OpenSSL", "SSL_CTX_set_dh_auto(ctx, 1);"),
                    ]
                }
            }
            Self::TlsPostQuantum => {
                const {
                    &[
                        lines("nginx", "ssl_ecdh_curve X25519MLKEM768:X25519;"),
                        lines("stunnel", "curves = X25519MLKEM768:X25519"),
                        prose("OpenSSL", "SSL_CTX_set1_groups_list with the same names, from 3.5 on."),
                        lines("OpenSSL", "echo \"encryptor:$(openssl rand -hex 32)\""),
                    ]
                }
            }
            Self::TlsCertificate | Self::TlsCertificateExpiry => {
                const {
                    &[
                        lines(
                            "OpenSSL",
                            "openssl req -x509 -CA ca.pem -CAkey ca.key -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc \\\n  \
                         -keyout kp.key -out kp.pem -days 365 -subj /CN=kp-alice -addext subjectAltName=DNS:kp-alice",
                        ),
                        lines("nginx", "ssl_certificate kp.pem;\nssl_certificate_key kp.key;"),
                        lines("stunnel", "cert = kp.pem\nkey = kp.key"),
                    ]
                }
            }
            Self::TlsClientAuthentication => {
                const {
                    &[
                        lines("nginx", "ssl_client_certificate ca.pem;\nssl_verify_client on;"),
                        lines("stunnel", "CAfile = ca.pem\nverifyChain = yes\nrequireCert = yes"),
                        lines(
                            "OpenSSL",
                            "SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);",
                        ),
                        lines(
                            "Flask",
                            "context.verify_mode = ssl.CERT_REQUIRED  # of an ssl.SSLContext",
                        ),
                    ]
                }
            }
            Self::TlsCloseNotify => {
                const {
                    &[
                        lines("stunnel", "TIMEOUTclose = 10"),
                        prose(
                            "Flask",
                            "With sockets of Python's ssl module: call unwrap() before close(); shutdown() sends nothing of TLS.",
                        ),
                        lines("OpenSSL", "SSL_shutdown(ssl);"),
                    ]
                }
            }
            Self::HttpJson => const { &[lines("Flask", "return jsonify(keyId=key_id, key=key)")] },
            Self::HttpUnknownPath => {
                const {
                    &[
                        lines(
                            "Flask",
                            "@app.errorhandler(404)\ndef not_found(error):\n    return jsonify(error=\"no such path\"), 404",
                        ),
                        prose(
                            "Flask",
                            "A route that takes every path for other methods turns 404 into 405: leave it out, 405 comes by itself.",
                        ),
                    ]
                }
            }
            Self::HttpMethodRefused | Self::HttpMethodStatus => {
                const {
                    &[
                        lines("nginx", "if ($request_method != GET) { return 405; }"),
                        lines("Flask", "@app.route(\"/key\", methods=[\"GET\"])"),
                    ]
                }
            }
            Self::HttpKeepAlive => {
                const {
                    &[
                        lines(
                            "nginx",
                            "keepalive_timeout 75s;\nproxy_http_version 1.1;\nproxy_set_header Connection \"\";",
                        ),
                        prose(
                            "Flask",
                            "Its own server speaks HTTP/1.0 for development: use gunicorn or waitress.",
                        ),
                    ]
                }
            }
            Self::HttpPercentEncoding => {
                const {
                    &[prose(
                        "Flask",
                        "request.args is decoded already; with a parser of your own: urllib.parse.unquote, not unquote_plus.",
                    )]
                }
            }
            Self::KeyRemotePattern => {
                const {
                    &[lines(
                        "Flask",
                        "any(fnmatch.fnmatchcase(remote, pattern) for pattern in remote_system_ids)",
                    )]
                }
            }
            Self::KeyCache => {
                const {
                    &[
                        lines("nginx", "add_header Cache-Control no-store always;"),
                        lines(
                            "Flask",
                            "@app.after_request\ndef no_store(response):\n    response.cache_control.no_store = True\n    return response",
                        ),
                    ]
                }
            }
            Self::KeyIssuer | Self::PeerOnce => {
                const {
                    &[prose(
                        "Flask",
                        "Keep the key for the peer under another name than the issuer's, and delete the row in the transaction that reads it.",
                    )]
                }
            }
            Self::PeerCase => const { &[lines("Flask", "key_id = key_id.lower()")] },
            Self::KeyOddSizes | Self::EntropyOddSizes => {
                const {
                    &[lines(
                        "Flask",
                        "if not size.isdecimal() or int(size) % 8 or not 128 <= int(size) <= 512:\n    return jsonify(error=\"size\"), 400",
                    )]
                }
            }
            Self::Connections | Self::Parallel10 | Self::Parallel100 => {
                const {
                    &[
                        lines("nginx", "listen 443 ssl backlog=511;\nworker_processes auto;"),
                        lines("Flask", "gunicorn --workers 4 --threads 8 --backlog 511 app:app"),
                    ]
                }
            }
            Self::ErrorBodies => {
                const {
                    &[
                        lines(
                            "nginx",
                            "proxy_intercept_errors on;\nerror_page 502 503 504 = @down;\nlocation @down { default_type application/json; return 503 '{\"error\": \"unavailable\"}'; }",
                        ),
                        prose(
                            "Flask",
                            "Switch the debugger off, and answer errors with jsonify in errorhandler(500).",
                        ),
                    ]
                }
            }
            _ => &[],
        }
    }
}
