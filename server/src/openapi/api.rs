//! The description as it is put together: nouns, and under each an [`Operation`] for each address and method.

use super::operation::Operation;
use super::signature::Handled;

/// What belongs together, in the order of the page.
pub struct Noun {
    /// Its heading.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// What can be done.
    pub operations: Vec<Operation>,
}

/// All of it, in the order of the page.
#[derive(Default)]
pub struct Api {
    /// The nouns.
    pub nouns: Vec<Noun>,
}

impl Api {
    /// What follows is about this.
    pub fn noun(&mut self, name: &'static str, about: &'static str) {
        self.nouns.push(Noun { name, about, operations: Vec::new() });
    }

    /// `GET`
    pub fn get<H, A>(&mut self, path: &'static str, _: H, summary: &'static str) -> &mut Operation
    where
        H: Handled<A>,
    {
        self.add(Operation::of::<H, A>("get", path, summary))
    }

    /// `POST`
    pub fn post<H, A>(&mut self, path: &'static str, _: H, summary: &'static str) -> &mut Operation
    where
        H: Handled<A>,
    {
        self.add(Operation::of::<H, A>("post", path, summary))
    }

    /// `PUT`
    pub fn put<H, A>(&mut self, path: &'static str, _: H, summary: &'static str) -> &mut Operation
    where
        H: Handled<A>,
    {
        self.add(Operation::of::<H, A>("put", path, summary))
    }

    /// `DELETE`
    pub fn delete<H, A>(&mut self, path: &'static str, _: H, summary: &'static str) -> &mut Operation
    where
        H: Handled<A>,
    {
        self.add(Operation::of::<H, A>("delete", path, summary))
    }

    /// What no handler of ours answers.
    pub fn without_handler(&mut self, path: &'static str, id: &str, summary: &'static str) -> &mut Operation {
        self.add(Operation::plain("get", path, id.to_owned(), summary))
    }

    fn add(&mut self, operation: Operation) -> &mut Operation {
        if self.nouns.is_empty() {
            self.noun("Service", "");
        }
        let last = self.nouns.len() - 1;
        #[allow(clippy::indexing_slicing, reason = "a noun was put there if none was")]
        let operations = &mut self.nouns[last].operations;
        operations.push(operation);
        let last = operations.len() - 1;
        #[allow(clippy::indexing_slicing, reason = "it was put there in the line before")]
        &mut operations[last]
    }

    /// Every operation.
    pub fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.nouns.iter().flat_map(|noun| &noun.operations)
    }
}
