//! Who of ours may depend on whom.

use cargo_metadata::{DependencyKind, Metadata, Package};

use crate::{assert_none, metadata, tree};

/// What a crate that users add may depend on, whatever the kind of dependency.
struct Rule {
    name: &'static str,
    on: &'static [&'static str],
    /// The one exception: re-exported under a feature, so that most users add one
    /// crate. Only a satellite that depends on `-core` alone can stand here.
    by_feature: &'static [&'static str],
}

const RULES: [Rule; 8] = [
    Rule {
        name: "portcullis-core",
        on: &[],
        by_feature: &[],
    },
    Rule {
        name: "portcullis-jwt",
        on: &["portcullis-core"],
        by_feature: &[],
    },
    Rule {
        name: "portcullis",
        on: &["portcullis-core"],
        by_feature: &[
            "portcullis-jwt",
            "portcullis-store-postgres",
            "portcullis-store-redb",
            "portcullis-store-redis",
            "portcullis-tls",
        ],
    },
    Rule {
        name: "portcullis-tls",
        on: &["portcullis-core"],
        by_feature: &[],
    },
    Rule {
        name: "portcullis-store-postgres",
        on: &["portcullis-core"],
        by_feature: &[],
    },
    Rule {
        name: "portcullis-store-redb",
        on: &["portcullis-core"],
        by_feature: &[],
    },
    Rule {
        name: "portcullis-store-redis",
        on: &["portcullis-core"],
        by_feature: &[],
    },
    Rule {
        name: "portcullis-testing",
        on: &["portcullis", "portcullis-core", "portcullis-jwt"],
        by_feature: &[],
    },
];

/// Never published: they prove, measure and show the others, so they may use them all; and the
/// benches, by a feature, what others have made for the same (see `bans`).
const OURS_ALONE: [&str; 3] = [
    "portcullis-benches",
    "portcullis-compile-fail",
    "portcullis-tests",
];

/// The commands of the repository: first to be built, so beside everything.
const COMMANDS: &str = "xtask";

struct Member {
    name: String,
    /// Below the root of the workspace.
    folder: String,
    published: bool,
    /// To other members.
    arrows: Vec<Arrow>,
}

struct Arrow {
    to: String,
    kind: DependencyKind,
    optional: bool,
}

fn complaints(members: &[Member]) -> Vec<String> {
    let mut complaints: Vec<String> = RULES
        .iter()
        .filter(|rule| members.iter().all(|member| member.name != rule.name))
        .map(|rule| format!("{} is gone: take its arrows out", rule.name))
        .collect();
    for member in members {
        complaints.extend(of_member(member));
    }
    complaints
}

fn of_member(member: &Member) -> Vec<String> {
    let name = &member.name;
    let rule = RULES.iter().find(|rule| rule.name == name);
    let known = rule.is_some()
        || name == COMMANDS
        || OURS_ALONE.contains(&name.as_str())
        || member.folder.starts_with("examples/");
    if !known {
        return vec![format!("{name} is new: name its arrows here")];
    }
    if member.published != rule.is_some() {
        return vec![format!(
            "{name}: exactly the crates with a rule are published"
        )];
    }
    let allowed = |arrow: &Arrow| match rule {
        Some(rule) => {
            let by_feature = arrow.optional && arrow.kind == DependencyKind::Normal;
            rule.on.contains(&arrow.to.as_str())
                || (by_feature && rule.by_feature.contains(&arrow.to.as_str()))
        }
        None => name != COMMANDS && arrow.to != COMMANDS,
    };
    member
        .arrows
        .iter()
        .filter(|arrow| !allowed(arrow))
        .map(|arrow| format!("{name} must not depend on {} ({})", arrow.to, arrow.kind))
        .collect()
}

fn read(metadata: &Metadata) -> Vec<Member> {
    let packages = metadata.workspace_packages();
    let is_ours = |name: &str| packages.iter().any(|package| package.name.as_str() == name);
    let member = |package: &&Package| Member {
        name: package.name.to_string(),
        folder: package
            .manifest_path
            .parent()
            .map(|folder| tree::below(&tree::root(), folder.as_std_path()))
            .unwrap_or_default(),
        published: package
            .publish
            .as_ref()
            .is_none_or(|registries| !registries.is_empty()),
        arrows: package
            .dependencies
            .iter()
            .filter(|dependency| is_ours(&dependency.name))
            .map(|dependency| Arrow {
                to: dependency.name.clone(),
                kind: dependency.kind,
                optional: dependency.optional,
            })
            .collect(),
    };
    packages.iter().map(member).collect()
}

#[test]
fn our_crates_depend_on_each_other_only_along_the_arrows() {
    let members = read(&metadata().unwrap());
    let seen: usize = members.iter().map(|member| member.arrows.len()).sum();
    assert!(
        seen > 0,
        "no crate of ours seems to use another: the reader is blind"
    );
    assert_none(&complaints(&members));
}

/// A workspace without fault, for the tests to spoil.
fn sound() -> Vec<Member> {
    let mut members: Vec<Member> = RULES
        .iter()
        .map(|rule| {
            let arrow = |to: &&str, optional| Arrow {
                to: (*to).to_owned(),
                kind: DependencyKind::Normal,
                optional,
            };
            let on = rule.on.iter().map(|to| arrow(to, false));
            Member {
                name: rule.name.to_owned(),
                folder: format!("crates/{}", rule.name),
                published: true,
                arrows: on
                    .chain(rule.by_feature.iter().map(|to| arrow(to, true)))
                    .collect(),
            }
        })
        .collect();
    for (name, folder) in [("xtask", "crates/xtask"), ("example-one", "examples/one")] {
        members.push(Member {
            name: name.to_owned(),
            folder: folder.to_owned(),
            published: false,
            arrows: Vec::new(),
        });
    }
    members
}

/// What is said of a sound workspace after `name` got one more arrow.
fn said_of(name: &str, to: &str, kind: DependencyKind, optional: bool) -> Vec<String> {
    let mut members = sound();
    for member in members.iter_mut().filter(|member| member.name == name) {
        let to = to.to_owned();
        member.arrows.push(Arrow { to, kind, optional });
    }
    complaints(&members)
}

#[test]
fn complains_of_every_arrow_that_points_the_wrong_way() {
    use DependencyKind::{Build, Development, Normal};

    assert_none(&complaints(&sound()));
    for (name, to, kind, optional) in [
        ("portcullis-core", "portcullis", Normal, true),
        ("portcullis-core", "portcullis-testing", Development, false),
        ("portcullis-jwt", "portcullis", Normal, false),
        ("portcullis-jwt", "portcullis-testing", Development, false),
        ("portcullis-store-postgres", "portcullis", Normal, true),
        ("portcullis-store-redb", "portcullis", Normal, true),
        ("portcullis-store-redis", "portcullis", Normal, true),
        ("portcullis", "portcullis-jwt", Normal, false),
        ("portcullis", "portcullis-jwt", Development, false),
        ("portcullis", "portcullis-store-redb", Normal, false),
        ("portcullis", "portcullis-testing", Development, false),
        ("portcullis", "xtask", Build, false),
        ("portcullis-testing", "xtask", Normal, false),
        ("example-one", "xtask", Normal, false),
        ("xtask", "portcullis-core", Normal, false),
    ] {
        let said = said_of(name, to, kind, optional);
        assert_eq!(said, [format!("{name} must not depend on {to} ({kind})")]);
    }
    assert_none(&said_of("example-one", "portcullis-testing", Normal, false));
}

#[test]
fn complains_of_a_crate_without_a_rule_and_of_a_rule_without_a_crate() {
    let mut members = sound();
    members.retain(|member| member.name != "portcullis-jwt");
    members.push(Member {
        name: "portcullis-new".to_owned(),
        folder: "crates/portcullis-new".to_owned(),
        published: true,
        arrows: Vec::new(),
    });
    assert_eq!(
        complaints(&members),
        [
            "portcullis-jwt is gone: take its arrows out",
            "portcullis-new is new: name its arrows here"
        ]
    );
}

#[test]
fn complains_of_a_published_crate_that_is_ours_alone() {
    let mut members = sound();
    for member in &mut members {
        member.published = true;
    }
    let said = complaints(&members);
    assert_eq!(said.len(), 2, "{said:?}");
}
