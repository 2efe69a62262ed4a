//! What the README tells somebody to type.

/// Where it stands.
const HEADING: &str = "## Two commands";

/// The commands of the README.
#[derive(Debug, PartialEq)]
pub(crate) struct Readme {
    /// Installs what has to be there before.
    pub(crate) needs: String,
    /// Starts the example. It takes `-- tour`.
    pub(crate) example: String,
    /// Runs the tests.
    pub(crate) test: String,
}

impl Readme {
    /// Takes the commands out of the text.
    ///
    /// # Errors
    /// If they cannot be found: then a reader does not find them either.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let section = text
            .split_once(HEADING)
            .map(|(_, rest)| rest.split("\n## ").next().unwrap_or(rest))
            .ok_or(format!("the README has no section `{HEADING}`"))?;
        let blocks = blocks(section);
        let [example, test] = blocks.as_slice() else {
            return Err(format!(
                "`{HEADING}` of the README shows {} blocks of `sh`, not two",
                blocks.len()
            ));
        };
        for block in [example, test] {
            if block.trim().is_empty() || block.trim().lines().count() > 1 {
                return Err(format!("{block:?} in the README is not one command"));
            }
        }
        if !section.contains("`-- tour`") {
            return Err(format!(
                "`{HEADING}` of the README no longer names `-- tour`"
            ));
        }
        let needs = section
            .split('`')
            .find(|span| span.starts_with("apt-get install "))
            .ok_or(format!(
                "`{HEADING}` of the README does not say what to install first"
            ))?;
        Ok(Self {
            needs: needs.to_owned(),
            example: example.trim().to_owned(),
            test: test.trim().to_owned(),
        })
    }
}

/// The blocks of commands.
fn blocks(section: &str) -> Vec<&str> {
    section
        .split("```sh\n")
        .skip(1)
        .filter_map(|rest| rest.split_once("```"))
        .map(|(block, _)| block)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# x\n\n```rust\nlet x;\n```\n\n## Two commands\n\nA C compiler\n\
        (`apt-get install gcc`). With `-- tour`:\n\n```sh\ncargo run -p x\n```\n\nAnd:\n\n\
        ```sh\ncargo test\n```\n\n## More\n\n```sh\nrm -r x\n```\n";

    #[test]
    fn takes_two_commands_and_what_they_need() {
        assert_eq!(
            Readme::parse(TEXT),
            Ok(Readme {
                needs: "apt-get install gcc".to_owned(),
                example: "cargo run -p x".to_owned(),
                test: "cargo test".to_owned(),
            })
        );
    }

    #[test]
    fn says_what_a_reader_would_miss() {
        for (from, to, said) in [
            ("Two commands", "Commands", "no section"),
            ("```sh\ncargo test", "```\ncargo test", "1 blocks"),
            (
                "cargo test\n",
                "cargo test\ncargo bench\n",
                "not one command",
            ),
            ("`-- tour`", "a tour", "-- tour"),
            ("`apt-get install gcc`", "gcc", "install first"),
        ] {
            let text = TEXT.replacen(from, to, 1);
            assert_ne!(text, TEXT);
            let message = Readme::parse(&text).unwrap_err();
            assert!(message.contains(said), "{message}");
        }
    }

    #[test]
    fn the_readme_has_them() {
        let text = std::fs::read_to_string(crate::process::root().join("README.md")).unwrap();
        Readme::parse(&text).unwrap();
    }
}
