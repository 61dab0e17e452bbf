//! The definition of a connection, from a file in the syntax of `swanctl.conf`.

use std::fs;
use std::path::Path;

use super::vici::Section;

/// Values that `swanctl` splits at commas.
const LISTS: [&str; 11] = [
    "local_addrs",
    "remote_addrs",
    "proposals",
    "esp_proposals",
    "ah_proposals",
    "local_ts",
    "remote_ts",
    "vips",
    "pools",
    "groups",
    "cert_policy",
];
/// Values that name files, and the folders in which `swanctl` looks for them.
const FILES: [(&str, &str); 3] = [
    ("certs", "/etc/swanctl/x509"),
    ("cacerts", "/etc/swanctl/x509ca"),
    ("pubkeys", "/etc/swanctl/pubkey"),
];

/// Reads the section of a connection and adds the PPK that it is to use.
pub(super) fn read(file: &Path, connection: &str, child: &str, ppk_id: &str) -> Result<Section, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    parse(&text)
        .and_then(|root| complete(&root, connection, child, ppk_id))
        .map_err(|what| format!("{}: {what}", file.display()))
}

/// One section of the file, before its values are interpreted.
#[derive(Default)]
struct Block {
    values: Vec<(String, String)>,
    blocks: Vec<(String, Block)>,
}

impl Block {
    fn block(&self, name: &str) -> Option<&Block> {
        self.blocks
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, block)| block)
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.values
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }
}

fn complete(root: &Block, connection: &str, child: &str, ppk_id: &str) -> Result<Section, String> {
    let block = root
        .block("connections")
        .and_then(|connections| connections.block(connection))
        .ok_or_else(|| format!("there is no section connections.{connection}"))?;
    if block.value("ppk_id").is_some() {
        return Err(format!(
            "connections.{connection}.ppk_id must not be set: the agent sets it to each new key"
        ));
    }
    // without it a peer that lacks the PPK is accepted without one
    if block.value("ppk_required") != Some("yes") {
        return Err(format!("connections.{connection}.ppk_required must be yes"));
    }
    // with any other policy the new IKE_SA replaces the old one before it carries traffic
    if block.value("unique") != Some("never") {
        return Err(format!(
            "connections.{connection}.unique must be never: two IKE_SAs stand side by side for a moment"
        ));
    }
    let children = block.block("children");
    let Some(chosen) = children.and_then(|children| children.block(child)) else {
        return Err(format!("there is no section connections.{connection}.children.{child}"));
    };
    // charon would start it while loading the connection, and end the running one
    if chosen
        .value("start_action")
        .is_some_and(|action| action.contains("start"))
    {
        return Err(format!(
            "connections.{connection}.children.{child}.start_action must not be start: the agent starts it"
        ));
    }
    Ok(translate(block)?.value("ppk_id", ppk_id))
}

fn translate(block: &Block) -> Result<Section, String> {
    let mut section = Section::new();
    for (name, value) in &block.values {
        let parts = value.split(',').map(str::trim).filter(|part| !part.is_empty());
        if LISTS.contains(&name.as_str()) {
            section = section.list(name, parts);
        } else if let Some((_, folder)) = FILES.iter().find(|(key, _)| key == name) {
            let contents = parts
                .map(|part| {
                    let path = Path::new(folder).join(part);
                    fs::read(&path).map_err(|error| format!("{name}: cannot read {}: {error}", path.display()))
                })
                .collect::<Result<Vec<_>, _>>()?;
            section = section.list(name, contents);
        } else {
            section = section.value(name, value);
        }
    }
    for (name, inner) in &block.blocks {
        section = section.section(name, translate(inner)?);
    }
    Ok(section)
}

fn parse(text: &str) -> Result<Block, String> {
    let mut reader = Reader { rest: text, line: 1 };
    let root = reader.block(0)?;
    Ok(root)
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Reader<'a> {
    fn block(&mut self, depth: usize) -> Result<Block, String> {
        let mut block = Block::default();
        loop {
            self.skip_blank();
            let Some(first) = self.rest.chars().next() else {
                return if depth == 0 {
                    Ok(block)
                } else {
                    self.fail("a section is not closed by }")
                };
            };
            if first == '}' {
                if depth == 0 {
                    return self.fail("there is a } without its section");
                }
                self.skip(1);
                return Ok(block);
            }
            let name = self.name()?;
            self.skip_blank();
            if name == "include" && !self.rest.starts_with(['=', '{']) {
                return self.fail("include is not followed: name the file that has the connection");
            }
            match self.rest.chars().next() {
                Some('{') if depth < 8 => {
                    self.skip(1);
                    if block.block(&name).is_some() {
                        return self.fail(&format!("the section {name} is there twice"));
                    }
                    let inner = self.block(depth + 1)?;
                    block.blocks.push((name, inner));
                }
                Some('=') => {
                    self.skip(1);
                    if block.value(&name).is_some() {
                        return self.fail(&format!("{name} is there twice"));
                    }
                    let value = self.value()?;
                    block.values.push((name, value));
                }
                Some(':') => return self.fail("references to other sections are not followed: write the section out"),
                _ => return self.fail(&format!("after {name} there must be = or {{")),
            }
        }
    }

    fn name(&mut self) -> Result<String, String> {
        let end = self
            .rest
            .find(|c: char| c.is_whitespace() || "{}=#:\",".contains(c))
            .unwrap_or(self.rest.len());
        if end == 0 {
            return self.fail("a name is missing");
        }
        Ok(self.skip(end).to_owned())
    }

    fn value(&mut self) -> Result<String, String> {
        let blank = self.rest.len() - self.rest.trim_start_matches([' ', '\t']).len();
        self.skip(blank);
        if !self.rest.starts_with('"') {
            let end = self.rest.find(['\n', '}', '#']).unwrap_or(self.rest.len());
            return Ok(self.skip(end).trim().to_owned());
        }
        self.skip(1);
        let mut value = String::new();
        let mut chars = self.rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.skip(at + 1);
                    return Ok(value);
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, 't')) => value.push('\t'),
                    Some((_, '\n')) => {}
                    Some((_, other)) => value.push(other),
                    None => break,
                },
                other => value.push(other),
            }
        }
        self.fail("a quoted value is not closed")
    }

    fn skip_blank(&mut self) {
        loop {
            let blank = self.rest.len() - self.rest.trim_start().len();
            self.skip(blank);
            if !self.rest.starts_with('#') {
                return;
            }
            let comment = self.rest.find('\n').unwrap_or(self.rest.len());
            self.skip(comment);
        }
    }

    fn skip(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }

    fn fail<T>(&self, what: &str) -> Result<T, String> {
        Err(format!("line {}: {what}", self.line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
# the tunnel to site B
connections {
  site-b {
    version = 2
    local_addrs = 192.0.2.1, 192.0.2.3  # two of them
    remote_addrs = 198.51.100.1
    unique = never
    ppk_required = yes
    local { auth = psk
      id = "a \"quoted\" # name" }
    remote-1 { auth = psk }
    children { net { local_ts = 10.1.0.0/16
        remote_ts = 10.2.0.0/16[tcp/http],10.3.0.0/16 } }
  }
}
secrets { }
"#;

    fn read_text(text: &str) -> Result<Section, String> {
        complete(&parse(text)?, "site-b", "net", "0a1b")
    }

    #[test]
    fn a_connection_is_parsed_and_completed() {
        let section = read_text(FILE).unwrap();
        assert_eq!(section.text("version"), Some("2"));
        assert_eq!(section.text("ppk_id"), Some("0a1b"));
        let local = section.texts("local_addrs").collect::<Vec<_>>();
        assert_eq!(local, ["192.0.2.1", "192.0.2.3"]);
        assert_eq!(section.child("local").unwrap().text("id"), Some("a \"quoted\" # name"));
        let net = section.child("children").unwrap().child("net").unwrap();
        assert_eq!(net.texts("remote_ts").count(), 2);
    }

    #[test]
    fn the_documented_connection_is_accepted() {
        let page = include_str!("../../../../../docs/agent-strongswan.md");
        let text = page
            .split("/etc/skip-client/site-b.conf <<'END'\n")
            .nth(1)
            .and_then(|rest| rest.split("\nEND\n").next());
        assert!(complete(&parse(text.unwrap()).unwrap(), "site-b", "net", "0a1b").is_ok());
    }

    #[test]
    fn a_connection_that_could_not_rotate_is_refused() {
        let refused = |from: &str, to: &str| read_text(&FILE.replace(from, to)).err().unwrap();
        assert_eq!(
            refused("ppk_required = yes", ""),
            "connections.site-b.ppk_required must be yes"
        );
        assert!(refused("unique = never", "unique = replace").contains("unique must be never"));
        assert!(refused("version = 2", "ppk_id = x").contains("ppk_id must not be set"));
        assert!(refused("children { net {", "children { net { start_action = trap|start\n").contains("start_action"));
        assert!(refused("net {", "other {").contains("no section connections.site-b.children.net"));
        assert!(refused("site-b", "site-c").contains("no section connections.site-b"));
        assert!(refused("version = 2", "certs = /nowhere.pem").contains("certs: cannot read /nowhere.pem"));
    }

    #[test]
    fn mistakes_are_reported_with_their_line() {
        let refused = |text: &str| read_text(text).err().unwrap();
        assert_eq!(refused("a {\n b = 1\n"), "line 3: a section is not closed by }");
        assert_eq!(refused("\n}"), "line 2: there is a } without its section");
        assert_eq!(refused("a { b = 1\n b = 2 }"), "line 2: b is there twice");
        assert!(refused("include conf.d/*.conf").starts_with("line 1: include is not followed"));
        assert!(refused("a : b { }").starts_with("line 1: references"));
        assert_eq!(refused("a = \"x"), "line 1: a quoted value is not closed");
        assert_eq!(refused("a b"), "line 1: after a there must be = or {");
    }

    #[test]
    fn no_text_causes_a_panic() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..5_000 {
            let mut chars: Vec<char> = FILE.chars().collect();
            for _ in 0..3 {
                let at = random.usize(..chars.len());
                chars[at] = random
                    .choice(['{', '}', '=', '#', ':', '\\', '"', '\n', 'é', ','])
                    .unwrap();
            }
            let _ = read_text(&chars.into_iter().collect::<String>());
        }
    }
}
