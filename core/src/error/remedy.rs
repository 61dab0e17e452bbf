//! Remedies for errors: as data, and as text with a front end's names.

use std::borrow::Cow;

use super::spelling::Spelling;

/// What to do about an error; see [`Error::remedy`](crate::Error::remedy). [`Remedy::text`] puts it into a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs)] // each name is said in full by its text
pub enum Remedy {
    /// There is nothing to add to the message.
    None,
    /// A front end's own words.
    Say(Cow<'static, str>),

    // arguments
    Example(&'static str),
    OneOf(Vec<&'static str>),
    /// Set an option to a value, if `when` holds: text that precedes the setting.
    Set {
        when: &'static str,
        option: &'static str,
        value: &'static str,
    },
    OneOfTheOptions,
    OneRemote,
    KeyIdAsReceived,
    IdentityAsProviderKnowsIt,
    NameFormOfPsk,
    RandomPsk,
    PskFileForm,
    SaveAsUtf8,
    CheckFile,
    PathOrPem,
    ChooseIdentity,
    OneLineOfPsk,
    LengthInBits,
    KeyOfThatSize,
    OtherFormatOrKey,
    WholePayload,
    PemForm,
    /// With this command.
    Convert(&'static str),
    KeyOfFirstCertificate,
    RenewClientCert,
    ClientCertForClients,
    CertAndKey,
    PinForm,
    NameOfCertificate,
    SayWhomToTrust,
    CaInsteadOfSystem,
    AnyTlsVersion,
    CheckOpensslConfiguration,
    NewClient,
    ReadBeforeWiping,
    FeaturePsk,
    EitherCertificatesOrPsk,

    // statuses
    NewKeyForKeyId,
    NewKeyForEncodedRemote,
    CheckRemoteAndSize,
    CheckEncodedRemote,
    ReadProviderText,
    CheckCredentials,
    NewKeyOrCheckPath,
    CheckPath,
    OnlyGet,
    AskLater,
    NewKeyAndReadLog,
    AskAgainOrReadLog,
    FinalUrl,
    CheckUrlAndProxy,

    // replies
    CheckMediaType(String),
    NoCompression,
    TellOperatorOfKeys,
    TellOperatorOfMixUp,
    OtherSize,
    FewerBits,

    // connections
    NewKey,
    AskAgain,
    NewKeyOrServiceDown,
    AskAgainOrServiceDown,
    CheckAddressOrAllowTime,
    CheckName,
    CheckPort,
    CheckRoutes,
    CheckFirewall,
    FewerConnections,
    CheckNetwork,
    ProxyCredentials,
    OtherProxyCredentials,
    CheckProxy,
    UrlFromProxy,
    ProxyRules,
    ProxyWithConnect,

    // TLS
    TrustIssuer,
    PinAlone,
    /// Have the certificate issued in another way, which the text says, or pin its key.
    OrPin(&'static str),
    OneOfTheseNames,
    RenewCertificate,
    RenewIssuer,
    VersionThree,
    WithoutExtension,
    LargerRsaKey,
    CheckClocks,
    CheckPin,
    CheckCertificate,
    GiveClientCert,
    TrustedClientCert,
    ReplaceClientCert,
    UpdateTlsOfProvider,
    SuitesOfCertificates,
    CheckUrlOrName,
    ReadLog,
    CheckService,
    CheckMiddleboxes,
    CredentialsOrService,

    // TLS with a pre-shared key
    CheckIdentity,
    CompareKeys,
    CheckIdentityAndPort,
    SuitesOfPsk,
    SuitesOfPskWithForwardSecrecy,
    Tls12IfKnown,
    IdentityPortOrCa,
    CertificateInsteadOfPsk,
    CheckIdentityAndKey,
    LargerGroup,
}

impl Remedy {
    /// The remedy in one line, lower case and without a full stop, with names in the given `spelling`; empty for [`Remedy::None`].
    #[must_use]
    #[allow(clippy::too_many_lines)] // a row for each
    pub fn text(&self, spelling: &dyn Spelling) -> Cow<'static, str> {
        let setting = |name: &str, value: &str| spelling.setting(name, value);
        let text = match self {
            Self::None => "",
            Self::Say(text) => return text.clone(),

            Self::Example(value) => return format!("for example {value}").into(),
            Self::OneOf(names) => return format!("use one of {}", names.join(", ")).into(),
            Self::Set { when, option, value } => return format!("{when}: {}", setting(option, value)).into(),
            Self::OneRemote => "give the id of the one Key Provider at the other end, as its capabilities spell it",
            Self::KeyIdAsReceived => "pass the keyId on exactly as the initiator received it",
            Self::LengthInBits => "lengths are in bits: 32 bytes are 256",
            Self::KeyOfThatSize => "ask for a key of that size, in bits",
            Self::OtherFormatOrKey => "use another format, or ask for a new key",
            Self::WholePayload => "give one whole notify payload, from its next-payload byte on",
            Self::ReadBeforeWiping => "use a key before it is wiped or its block ends, or fetch another",

            Self::NewKeyForKeyId => {
                "the keyId may be unknown, used, expired or of another remote: ask the initiator for a new key"
            }
            Self::NewKeyForEncodedRemote => {
                "the keyId may be unknown, used, expired or of another remote: ask the initiator for a new key; the remote's id was sent \
                 percent-encoded, which some Key Providers do not decode"
            }
            Self::CheckEncodedRemote => {
                "check the remoteSystemID and the size; the id was sent percent-encoded, which some Key Providers do not decode: they \
                 need ids of A-Z, a-z, 0-9 and -._~:@/;'"
            }
            Self::CheckRemoteAndSize => {
                "check the remoteSystemID and the size; the Key Provider's own words may say more"
            }
            Self::ReadProviderText => {
                "the Key Provider's own words may say more; a reverse proxy may want a client certificate"
            }
            Self::CheckCredentials => {
                "check the client certificate or the pre-shared key, and what the Key Provider allows it"
            }
            Self::NewKeyOrCheckPath => {
                "this Key Provider may answer 404 for an unknown or used keyId: ask for a new key; else check the URL's path"
            }
            Self::CheckPath => "check the URL: SKIP paths follow it directly (URL/capabilities)",
            Self::OnlyGet => {
                "SKIP only uses GET: something on the way changed the method, or this is not a SKIP Key Provider"
            }
            Self::AskLater => "ask again a little later",
            Self::NewKeyAndReadLog => "the key may be used up: ask for a new key; look into the Key Provider's log",
            Self::AskAgainOrReadLog => "ask again; if it fails again, look into the Key Provider's log",
            Self::FinalUrl => {
                "redirects are never followed, because a request for a key must not be made twice: give the final URL"
            }
            Self::CheckUrlAndProxy => "this may not be a SKIP Key Provider: check the URL and any proxy on the way",

            Self::CheckMediaType(media_type) => {
                return format!(
                    "its media type is {media_type}, not application/json: check that the URL leads to a SKIP Key Provider"
                )
                .into();
            }
            Self::NoCompression => {
                "switch compression off at the Key Provider or its reverse proxy: keys must not be compressed"
            }
            Self::TellOperatorOfKeys => "the Key Provider's random source or key store is broken: tell its operator",
            Self::TellOperatorOfMixUp => "the key was wiped; the Key Provider mixes up its keys: tell its operator",
            Self::OtherSize => "the key was wiped; ask for a size that this Key Provider can make",
            Self::FewerBits => "ask for fewer bits at a time",

            #[cfg(feature = "https")]
            other => return other.text_of_clients(spelling),
            // they are not used without a client, and would make up a tenth of the npm package
            #[cfg(not(feature = "https"))]
            _ => "",
        };
        Cow::Borrowed(text)
    }

    /// The remedies of options, pre-shared keys, connections and TLS.
    #[cfg(feature = "https")]
    #[allow(clippy::too_many_lines)] // a row for each
    fn text_of_clients(&self, spelling: &dyn Spelling) -> Cow<'static, str> {
        let name = |name| spelling.name(name);
        let setting = |name: &str, value: &str| spelling.setting(name, value);
        let text = match self {
            Self::OneOfTheOptions => {
                let names = crate::options::OPTIONS.map(|option| name(option.name));
                return format!("use one of {}", names.join(", ")).into();
            }
            Self::IdentityAsProviderKnowsIt => "give the identity exactly as the Key Provider knows it",
            Self::NameFormOfPsk => "say which form the key has: hexadecimal, text or base64",
            Self::RandomPsk => "32 random bytes are a good key",
            Self::CheckFile => "check the path and its permissions",
            Self::PathOrPem => "give the path of a file, or PEM that begins with -----BEGIN",
            Self::SaveAsUtf8 => "save it as UTF-8",
            Self::PskFileForm => {
                "the file should have a line identity:hex for each identity, or one line with the key in hexadecimal"
            }
            Self::OneLineOfPsk => "the file should have one line with the key and nothing else",
            Self::ChooseIdentity => "give the identity of your key as well",
            Self::Convert(command) => return format!("convert it: {command}").into(),
            Self::PemForm => "PEM is text with a line -----BEGIN ...-----",
            Self::KeyOfFirstCertificate => "give the private key of the first certificate in the file",
            Self::RenewClientCert => "give one that is valid now; check the clock of this machine",
            Self::ClientCertForClients => "have it issued for clients (extendedKeyUsage = clientAuth)",
            Self::CertAndKey => {
                let (cert, key) = (name("cert"), name("key"));
                return format!("a client certificate and its private key go together: {cert} and {key}").into();
            }
            Self::PinForm => "it is the SHA-256 of the certificate's public key (SubjectPublicKeyInfo in DER)",
            Self::NameOfCertificate => "give a name that the certificate has",
            Self::SayWhomToTrust => {
                return format!(
                    "give the CA's certificate ({}), the Key Provider's public key ({}), or {} for the system's store",
                    name("ca"),
                    name("pin"),
                    setting("ca", "system")
                )
                .into();
            }
            Self::CaInsteadOfSystem => "give the CA's certificate instead",
            Self::AnyTlsVersion => return format!("use {}", setting("tls", "auto")).into(),
            Self::CheckOpensslConfiguration => {
                "check openssl.cnf and OPENSSL_CONF: a FIPS provider or a security level may forbid pre-shared keys, or a module may be \
                 missing; the packages have an OpenSSL of their own, which reads no configuration"
            }
            Self::NewClient => "make a new client",
            Self::FeaturePsk => "build skip-client with the feature psk",
            Self::EitherCertificatesOrPsk => "give either certificates or a pre-shared key",

            Self::NewKey => "the key of this request may be used up: ask for a new key",
            Self::AskAgain => "nothing is used up: ask again",
            Self::NewKeyOrServiceDown => {
                "the key of this request may be used up: ask for a new key; if each call ends like this, check that the service behind \
                 the TLS terminator (stunnel, reverse proxy) runs"
            }
            Self::AskAgainOrServiceDown => {
                "nothing is used up: ask again; if each call ends like this, check that the service behind the TLS terminator (stunnel, \
                 reverse proxy) runs"
            }
            Self::CheckAddressOrAllowTime => "check address, port and firewalls, or allow more time",
            Self::CheckName => {
                return format!(
                    "check the spelling and the name server, or give the address and {}",
                    name("server_name")
                )
                .into();
            }
            Self::CheckPort => "check the port, and that the Key Provider runs",
            Self::CheckRoutes => "check the address and the routes",
            Self::CheckFirewall => "check firewall and sandbox rules",
            Self::FewerConnections => "make fewer connections at a time, or wait a little",
            Self::CheckNetwork => "check the address, the port and the network",
            Self::ProxyCredentials => "put them into the proxy's URL",
            Self::OtherProxyCredentials => {
                "check them in the proxy's URL; special characters are percent-encoded there"
            }
            Self::CheckProxy => {
                return format!("check the proxy's host and port ({}), and that it runs", name("proxy")).into();
            }
            Self::UrlFromProxy => "check the Key Provider's host and port, and what the proxy can reach",
            Self::ProxyRules => "check what the proxy allows",
            Self::ProxyWithConnect => "check that it is an HTTP proxy that understands CONNECT",

            Self::TrustIssuer => {
                return format!(
                    "give the certificate of the CA that issued it ({}), or pin its public key ({})",
                    name("ca"),
                    name("pin")
                )
                .into();
            }
            Self::PinAlone => return format!("pin its public key ({}, without {})", name("pin"), name("ca")).into(),
            Self::OrPin(how) => {
                let (pin, ca) = (name("pin"), name("ca"));
                return format!("{how}, or pin its public key ({pin}, without {ca})").into();
            }
            Self::OneOfTheseNames => {
                return format!(
                    "check the URL; if this is the right Key Provider, give one of these names ({}) or pin its public key ({})",
                    name("server_name"),
                    name("pin")
                )
                .into();
            }
            Self::RenewCertificate => "have it renewed; check the clock of this machine",
            Self::RenewIssuer => {
                let ca = name("ca");
                return format!(
                    "the Key Provider must send the renewed certificate of that CA, or, if it is the one given here ({ca}), give the \
                     renewed one; check the clock of this machine"
                )
                .into();
            }
            Self::VersionThree => {
                "have it issued again with an extension, for example a subjectAltName, which makes it version 3"
            }
            Self::WithoutExtension => "have it issued without the extension, or with one that is not critical",
            Self::LargerRsaKey => "have it issued again with an ECDSA key, or an RSA key of at least 2048 bits",
            Self::CheckClocks => "check the clocks of both machines",
            Self::CheckPin => {
                let pin = name("pin");
                return format!(
                    "check the pin ({pin}); if nobody changed the Key Provider's key, somebody else answers"
                )
                .into();
            }
            Self::CheckCertificate => "check it with openssl x509 -text",
            Self::GiveClientCert => {
                return format!("give one with its private key ({} and {})", name("cert"), name("key")).into();
            }
            Self::TrustedClientCert => {
                return format!(
                    "give a certificate ({} and {}) that is valid, for clients, and of a CA that the Key Provider trusts",
                    name("cert"),
                    name("key")
                )
                .into();
            }
            Self::ReplaceClientCert => "have its CA issue another one",
            Self::UpdateTlsOfProvider => "update the Key Provider: SKIP needs TLS 1.2 at least",
            Self::SuitesOfCertificates => {
                "certificates need TLS_AES_256_GCM_SHA384 or ECDHE with AES-256-GCM-SHA384; a Key Provider with pre-shared keys \
                 only answers like this too"
            }
            Self::CheckUrlOrName => return format!("check the URL, or give {}", name("server_name")).into(),
            Self::ReadLog => "look into the Key Provider's log",
            Self::CheckService => "check the port: it may be plain HTTP or another service",
            Self::CheckMiddleboxes => "check for devices between here and the Key Provider that change traffic",
            Self::CredentialsOrService => {
                "it may want a client certificate or a pre-shared key, or the port may not be TLS: look into its log"
            }

            Self::CheckIdentity => "check the identity for spelling and case, and that the Key Provider has it",
            Self::CompareKeys => "compare the keys; the same characters are another key as text than as hexadecimal",
            Self::CheckIdentityAndPort => "check the identity, and that this port is the one for pre-shared keys",
            Self::SuitesOfPsk => {
                let ca = name("ca");
                return format!(
                    "it needs PSK or DHE-PSK with AES-256, or TLS 1.3; if it has a certificate, give its CA ({ca}) instead of a \
                     pre-shared key"
                )
                .into();
            }
            Self::SuitesOfPskWithForwardSecrecy => {
                let (ca, forward_secrecy) = (name("ca"), name("forward_secrecy"));
                return format!(
                    "with {forward_secrecy} it needs DHE-PSK with AES-256, or TLS 1.3; if it has a certificate, give its CA ({ca}) \
                     instead of a pre-shared key"
                )
                .into();
            }
            Self::Tls12IfKnown => {
                return format!(
                    "if its operator confirms that it takes pre-shared keys in TLS 1.2 only, use {}; otherwise something on the \
                     path breaks the handshakes",
                    setting("tls", "1.2")
                )
                .into();
            }
            Self::IdentityPortOrCa => {
                let ca = name("ca");
                return format!(
                    "it does not know the identity, or this port wants certificates: check the identity and the port, or give \
                     its CA ({ca})"
                )
                .into();
            }
            Self::CertificateInsteadOfPsk => {
                "give a certificate with its private key and the Key Provider's CA, or use its port for pre-shared keys"
            }
            Self::CheckIdentityAndKey => "some do that for a wrong identity or key: check both, and look into its log",
            Self::LargerGroup => "have it use a group of at least 2048 bits, or TLS 1.3",
            _ => "",
        };
        Cow::Borrowed(text)
    }
}

impl From<&'static str> for Remedy {
    /// A front end's own words; [`Remedy::None`] if empty.
    fn from(text: &'static str) -> Self {
        if text.is_empty() {
            Self::None
        } else {
            Self::Say(text.into())
        }
    }
}

impl From<String> for Remedy {
    /// A front end's own words; [`Remedy::None`] if empty.
    fn from(text: String) -> Self {
        if text.is_empty() {
            Self::None
        } else {
            Self::Say(text.into())
        }
    }
}
