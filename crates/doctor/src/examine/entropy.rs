//! Random bytes.

use skip_client::{BitLength, Capabilities, Entropy, Error, Request, Secret};

use crate::catalogue::{Control, Group, Id};
use crate::statistics::{Counts, Finding};

use super::key::judge_flag;
use super::message::{Read, judge_schema, read_entropy, told};
use super::session::{At, Session, sentence};

const SIZES: [u64; 5] = [128, 192, 256, 384, 512];
const LARGEST: u64 = 4096;
const ODD: [&str; 3] = ["x", "-1", "0"];

pub(super) fn run(session: &mut Session<'_>) {
    if !session.wants_any_of(Group::Entropy) {
        return;
    }
    let first = match ask(session, None) {
        Ok(read) => read,
        Err(error) => {
            session.skip(Id::CapabilitiesEntropyFlag, "GET /entropy was not answered.");
            session.broken_with(Id::EntropyAvailable, sentence(error.message()), &session.hint(&error));
            return without_entropy(session, "GET /entropy was not answered (entropy-available).");
        }
    };
    let offers = session.capabilities.as_ref().map(Capabilities::supports_entropy);
    judge_flag(
        session,
        Id::CapabilitiesEntropyFlag,
        "GET /entropy",
        offers,
        first.status,
    );
    if !first.is_success() {
        if offers == Some(false) {
            return without_entropy(session, "The Key Provider does not offer entropy, and says so.");
        }
        let message = format!("GET /entropy is answered with status {}.", first.status);
        if first.status == 503 {
            session.warn(Id::EntropyAvailable, message);
        } else if session.is_broken(Id::CapabilitiesEntropyFlag) {
            session.skip(
                Id::EntropyAvailable,
                "GET /entropy is not supported (capabilities-entropy-flag).",
            );
        } else {
            session.broken(Id::EntropyAvailable, message);
        }
        return without_entropy(session, "No entropy was returned (entropy-available).");
    }
    session.establish(Control::Entropy);
    session.pass(Id::EntropyAvailable, "GET /entropy was answered with status 200.");
    schema(session, &first);
    let mut seen = Seen {
        counts: Counts::new(),
        strings: Vec::new(),
        weak: false,
    };
    default_size(session, &first);
    seen.take(first);
    let needs_sizes = [
        Id::EntropySizeKept,
        Id::EntropySizes,
        Id::EntropyOddSizes,
        Id::EntropyDistinct,
        Id::EntropyStatistics,
    ];
    if session.wants(&needs_sizes) {
        sizes(session, &mut seen);
    }
    if session.begins(&[Id::EntropyOddSizes]) {
        odd_sizes(session);
    }
    seen.judge(session);
    session.skip_rest(Group::Entropy, "No usable entropy was returned.");
}

fn without_entropy(session: &mut Session<'_>, why: &str) {
    session.lose(Control::Entropy, why);
    session.lose(Control::SizedEntropy, why);
    session.skip_rest(Group::Entropy, why);
}

/// The strings of one run, wiped afterwards.
struct Seen {
    counts: Counts,
    strings: Vec<Secret>,
    weak: bool,
}

impl Seen {
    fn take(&mut self, read: Read<Entropy>) {
        self.weak |= read.is_weak();
        if let Some(entropy) = read.value {
            self.counts.add(entropy.secret().expose());
            self.strings.push(entropy.secret().clone());
        }
    }

    fn judge(&self, session: &mut Session<'_>) {
        let number = self.strings.len();
        // prefixes count too: a constant string may come in several lengths
        let begins = |one: &Secret, other: &Secret| {
            let length = one.len().min(other.len());
            Secret::copy_of(&one.expose()[..length]) == Secret::copy_of(&other.expose()[..length])
        };
        let repeats = |(at, one): (usize, &Secret)| self.strings[..at].iter().any(|other| begins(one, other));
        if self.weak {
            session.broken(Id::EntropyDistinct, "A random string consists of equal bytes.");
        } else if number > 1 {
            let repeated = self.strings.iter().enumerate().any(repeats);
            session.judge(
                Id::EntropyDistinct,
                !repeated,
                format!("{number} random strings differ."),
                "A random string was repeated, or is a prefix of another.",
            );
        }
        if session.is_broken(Id::EntropyDistinct) {
            return session.skip(
                Id::EntropyStatistics,
                "Counts of repeated strings mean nothing (entropy-distinct).",
            );
        }
        match self.counts.finding() {
            Finding::TooFew(bytes) => {
                session.skip(Id::EntropyStatistics, format!("{bytes} bytes are too few to count."));
            }
            Finding::Plain { bits, per_mille } => session.pass(
                Id::EntropyStatistics,
                format!(
                    "Of {bits} bits, {per_mille} in 1000 are ones. This shows no defect, but does not prove quality."
                ),
            ),
            Finding::Odd(why) => session.broken(Id::EntropyStatistics, format!("Not by chance: {why}.")),
        }
    }
}

fn ask(session: &mut Session<'_>, bits: Option<BitLength>) -> Result<Read<Entropy>, Error> {
    let request = Request::entropy(bits);
    let started = std::time::Instant::now();
    let reply = session.ask(At::Here, "GET", request.target(), request.target())?;
    session.sample("entropy", started.elapsed());
    Ok(read_entropy(&request, &reply))
}

fn schema(session: &mut Session<'_>, read: &Read<Entropy>) {
    // a string too short for its minentropy is reported as a size problem
    let of_size = |code: &str| code == "too_short";
    let (short, errors): (Vec<_>, Vec<_>) = read
        .errors(false)
        .into_iter()
        .partition(|problem| of_size(problem.code));
    let of_hex = read.errors(true);
    judge_schema(
        session,
        Id::EntropySchema,
        read,
        &errors,
        "randomStr and minentropy are present.",
    );
    // an odd number of digits lacks half a byte, which is reported already
    if !short.is_empty() && of_hex.is_empty() {
        session.broken(Id::EntropySizeKept, sentence(&told(&short)));
    }
    if read.value.is_none() && of_hex.is_empty() && short.is_empty() && !read.is_weak() {
        return session.skip(Id::EntropyHex, "The reply cannot be read.");
    }
    let message = sentence(&told(&of_hex));
    session.judge(
        Id::EntropyHex,
        of_hex.is_empty(),
        "randomStr is hexadecimal, of even length.",
        message,
    );
}

fn default_size(session: &mut Session<'_>, read: &Read<Entropy>) {
    if let Some(entropy) = &read.value {
        let bits = entropy.bits();
        session.judge(
            Id::EntropyDefaultSize,
            bits == BitLength::DEFAULT.bits(),
            "There are 256 bits.",
            format!("There are {bits} bits."),
        );
    }
}

fn sizes(session: &mut Session<'_>, seen: &mut Seen) {
    let (mut served, mut refused) = (Vec::new(), Vec::new());
    for bits in SIZES.into_iter().chain([LARGEST]) {
        let Ok(size) = BitLength::new(bits) else { continue };
        match ask(session, Some(size)) {
            Ok(read) => {
                if read.has_wrong_size() {
                    let message = read
                        .error
                        .as_ref()
                        .map(|error| sentence(error.message()))
                        .unwrap_or_default();
                    session.broken(Id::EntropySizeKept, message);
                } else if read.value.is_some() {
                    session.establish(Control::SizedEntropy);
                    served.push(bits.to_string());
                } else if !read.is_success() && bits != LARGEST {
                    refused.push(format!("{bits} ({})", read.status));
                }
                seen.take(read);
            }
            Err(error) => refused.push(format!("{bits} ({error})")),
        }
    }
    session.lose(
        Control::SizedEntropy,
        "No entropy of a requested length was returned (entropy-sizes, entropy-size-kept).",
    );
    if served.is_empty() {
        session.skip(
            Id::EntropySizeKept,
            "No random string of a requested size was returned.",
        );
    } else {
        let message = format!("Requests for {} bits returned at least as many.", served.join(", "));
        session.pass(Id::EntropySizeKept, message);
    }
    if refused.is_empty() && served.is_empty() {
        return session.skip(Id::EntropySizes, "Entropy was returned, but none of it was usable.");
    }
    session.judge(
        Id::EntropySizes,
        refused.is_empty(),
        "All of them are served.",
        format!("Not served: {}.", refused.join(", ")),
    );
}

fn odd_sizes(session: &mut Session<'_>) {
    for value in ODD {
        let target = format!("/entropy?minentropy={value}");
        let answer = match session.ask(At::Here, "GET", &target, &target) {
            Ok(reply) if (400..500).contains(&reply.response.status) => continue,
            Ok(reply) => format!("status {}", reply.response.status),
            Err(error) => error.message().to_owned(),
        };
        // the first one is proof enough
        return session.broken(
            Id::EntropyOddSizes,
            format!("minentropy={value} is not refused ({answer})."),
        );
    }
    session.pass(Id::EntropyOddSizes, format!("Refused: minentropy={}.", ODD.join(", ")));
}
