//! From the templates in `deploy/` to the files of this cluster.
//!
//! The placeholders are Jinja's, so that an operator's Ansible takes the templates as they are. They are compiled in:
//! a cluster always comes from the templates of its own build.

use anyhow::{Context, Result};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

/// A file of `deploy/` with placeholders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Template {
    Etcd,
    Patroni,
    Haproxy,
    Pgbouncer,
}

impl Template {
    fn text(self) -> &'static str {
        match self {
            Self::Etcd => include_str!("../../../deploy/etcd.yml"),
            Self::Patroni => include_str!("../../../deploy/patroni.yml"),
            Self::Haproxy => include_str!("../../../deploy/haproxy.cfg"),
            Self::Pgbouncer => include_str!("../../../deploy/pgbouncer.ini"),
        }
    }
}

/// `template` with `values` in its places.
///
/// # Errors
/// When a place has no value: a file with a hole in it could start and be wrong.
pub(crate) fn render(template: Template, values: impl Serialize) -> Result<String> {
    fill(template.text(), values).with_context(|| format!("cannot fill the template {template:?}"))
}

fn fill(text: &str, values: impl Serialize) -> Result<String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // As Ansible's: a line with nothing but a tag leaves nothing.
    let syntax = SyntaxConfig::builder().trim_blocks(true).keep_trailing_newline(true).build()?;
    environment.set_syntax(syntax);
    Ok(environment.render_str(text, Serde(values))?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::plan;

    #[test]
    fn a_value_that_is_missing_is_an_error() {
        assert_eq!(fill("port {{ a.port }}\n", json!({ "a": { "port": 1 } })).unwrap(), "port 1\n");
        assert!(fill("port {{ a.port }}\n", json!({ "a": {} })).is_err());
        assert!(fill("{% for a in all %}{{ a }}{% endfor %}", json!({})).is_err());
    }

    #[test]
    fn no_placeholder_is_left_in_any_file_and_each_name_is_where_it_must_be() {
        let folder = tempfile::tempdir().unwrap();
        let cluster = plan::cluster(folder.path()).unwrap();
        let files = plan::files(&cluster, std::path::Path::new("/pg/bin")).unwrap();
        assert_eq!(files.len(), 3 + 3 + 2, "etcd, Patroni, HAProxy, PgBouncer");
        for (path, text) in &files {
            let name = path.display();
            assert!(!["{{", "}}", "{%", "%}"].iter().any(|mark| text.contains(mark)), "{name}:\n{text}");
            assert!(!text.contains("none") && !text.contains("undefined"), "{name}:\n{text}");
        }
        let text = |name: &str| &files.iter().find(|(path, _)| path.ends_with(name)).unwrap().1;
        let address =
            |name: &str, kind: &str| cluster.member(name).unwrap().address(kind).unwrap().to_owned();
        assert!(text("etcd-2.yml").contains(&format!("etcd-3=http://{}\n", address("etcd-3", "peer"))));
        let hosts: Vec<String> = (1..=3).map(|n| address(&format!("etcd-{n}"), "client")).collect();
        assert!(text("node-1.yml").contains(&format!("hosts: [{}]", hosts.join(", "))));
        for node in ["node-1", "node-2", "node-3"] {
            assert!(
                text("haproxy.cfg").contains(&format!("server {node} {} check", address(node, "postgres")))
            );
        }
        let (_, port) =
            address("haproxy", "primary").split_once(':').map(|(h, p)| (h.to_owned(), p.to_owned())).unwrap();
        assert!(text("pgbouncer.ini").contains(&format!("host=127.0.0.1 port={port} dbname=ecert")));
    }
}
