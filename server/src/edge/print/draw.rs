//! From pages to the file, by krilla: it subsets the font, writes the structure, and refuses what PDF/A and PDF/UA forbid.

use std::num::NonZeroU16;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use krilla::Document;
use krilla::SerializeSettings;
use krilla::color::rgb;
use krilla::configure::{Accessibility, Archival, Configuration, ConfigurationBuilder};
use krilla::destination::XyzDestination;
use krilla::embed::{AssociationKind, EmbeddedFile, MimeType};
use krilla::geom::{PathBuilder, Point, Rect};
use krilla::metadata::{DateTime, Metadata};
use krilla::outline::{Outline, OutlineNode};
use krilla::page::PageSettings;
use krilla::paint::{Fill, Stroke};
use krilla::surface::Surface;
use krilla::tagging::{
    Artifact, ArtifactType, ContentTag, Identifier, SpanTag, TableHeaderScope, Tag, TagGroup, TagTree,
};

use super::compose::{Entry, HEIGHT, Ink, Kind, Mark, Part, Place, Style, WIDTH};
use super::face::{Face, Line};

/// How much wider a stroke makes strong text, in sizes: there is one weight of the font.
const STRONG: f32 = 0.026;

/// A document that is composed.
pub(super) struct Composed {
    pub(super) pages: Vec<Vec<Mark>>,
    pub(super) parts: Vec<Part>,
    pub(super) entries: Vec<Entry>,
    pub(super) title: String,
    /// RFC 5646.
    pub(super) language: &'static str,
    /// Who made it.
    pub(super) author: String,
    /// When what it is about was made.
    pub(super) made_at: Timestamp,
    /// A name for it that no other has.
    pub(super) id: String,
    /// What it was made from, which is put into it.
    pub(super) source: Attachment,
}

/// A file within the file.
pub(super) struct Attachment {
    pub(super) name: String,
    pub(super) media: &'static str,
    pub(super) about: String,
    pub(super) bytes: Vec<u8>,
}

fn configuration() -> Result<Configuration, String> {
    ConfigurationBuilder::new()
        .with_archival_validator(Archival::A3_A)
        .with_accessibility_validator(Accessibility::UA1)
        .finish()
        .map_err(|error| format!("{error:?}"))
}

/// The file.
pub(super) fn pdf(composed: Composed, face: &Face) -> Result<Vec<u8>, String> {
    let settings = SerializeSettings { configuration: configuration()?, ..SerializeSettings::default() };
    let mut document = Document::new_with(settings);
    let mut leaves: Vec<Vec<Identifier>> = composed.parts.iter().map(|_| Vec::new()).collect();
    for page in &composed.pages {
        let size = PageSettings::from_wh(WIDTH, HEIGHT).ok_or("no page of this size")?;
        let mut sheet = document.start_page_with(size);
        let mut surface = sheet.surface();
        for mark in page {
            draw(&mut surface, mark, face, &mut leaves);
        }
        surface.finish();
        sheet.finish();
    }
    document.set_tag_tree(tree(&composed.parts, leaves));
    document.set_outline(outline(&composed.entries));
    let made_at = date_time(composed.made_at);
    document.set_metadata(
        Metadata::new()
            .title(composed.title)
            .language(composed.language.to_owned())
            .authors(vec![composed.author])
            .creator("E-Cert".to_owned())
            .creation_date(made_at)
            .document_id(composed.id),
    );
    let source = composed.source;
    let attached = document.embed_file(EmbeddedFile {
        path: source.name,
        mime_type: MimeType::new(source.media),
        description: Some(source.about),
        association_kind: AssociationKind::Source,
        data: source.bytes.into(),
        modification_date: Some(made_at),
        compress: Some(true),
        location: None,
    });
    attached.ok_or("a file of this name is attached already")?;
    document.finish().map_err(|error| format!("{error}: {error:?}"))
}

fn date_time(at: Timestamp) -> DateTime {
    let at = at.to_zoned(TimeZone::UTC);
    let small = |number: i8| number.unsigned_abs();
    DateTime::new(at.year().unsigned_abs())
        .month(small(at.month()))
        .day(small(at.day()))
        .hour(small(at.hour()))
        .minute(small(at.minute()))
        .second(small(at.second()))
        .utc_offset_hour(0)
        .utc_offset_minute(0)
}

fn fill(ink: Ink) -> Fill {
    Fill { paint: rgb::Color::new(ink.0, ink.1, ink.2).into(), ..Fill::default() }
}

fn draw(surface: &mut Surface<'_>, mark: &Mark, face: &Face, leaves: &mut [Vec<Identifier>]) {
    let artifact = |kind| ContentTag::Artifact(Artifact::with_kind(kind));
    match mark {
        Mark::Box { x, y, width, height, ink } => {
            let Some(rect) = Rect::from_xywh(*x, *y, *width, *height) else { return };
            let mut path = PathBuilder::new();
            path.push_rect(rect);
            let Some(path) = path.finish() else { return };
            surface.start_tagged(artifact(ArtifactType::Layout));
            surface.set_stroke(None);
            surface.set_fill(Some(fill(*ink)));
            surface.draw_path(&path);
            surface.end_tagged();
        }
        Mark::Text { x, base, line, style, place } => {
            let (tag, leaves) = match place {
                Place::Part(part) => (ContentTag::Span(SpanTag::empty()), leaves.get_mut(*part)),
                Place::Eye => (artifact(ArtifactType::Layout), None),
                Place::Header => (artifact(ArtifactType::Header), None),
                Place::Footer => (artifact(ArtifactType::Footer), None),
            };
            let identifier = surface.start_tagged(tag);
            text(surface, Point::from_xy(*x, *base), line, *style, face);
            surface.end_tagged();
            if let Some(leaves) = leaves {
                leaves.push(identifier);
            }
        }
    }
}

fn text(surface: &mut Surface<'_>, at: Point, line: &Line, style: Style, face: &Face) {
    let fill = fill(style.ink);
    let stroke = Stroke { paint: fill.paint.clone(), width: style.size * STRONG, ..Stroke::default() };
    surface.set_stroke(style.strong.then_some(stroke));
    surface.set_fill(Some(fill));
    surface.draw_glyphs(at, &line.glyphs, face.font.clone(), &line.text, style.size, false);
}

/// The parts as a tree, with what was drawn of each.
fn tree(parts: &[Part], leaves: Vec<Vec<Identifier>>) -> TagTree {
    let mut groups: Vec<Option<TagGroup>> = parts.iter().zip(leaves).map(group).map(Some).collect();
    let mut tree = TagTree::new();
    // Whatever is within a part was made after it: from the last on, each is whole when it is put into its own.
    let mut whole: Vec<TagGroup> = Vec::new();
    for (index, part) in parts.iter().enumerate().rev() {
        let Some(mut group) = groups.get_mut(index).and_then(Option::take) else { continue };
        // Children were put in from the last to the first.
        let drawn = group.children.iter().take_while(|node| matches!(node, krilla::tagging::Node::Leaf(_)));
        let drawn = drawn.count();
        if let Some(children) = group.children.get_mut(drawn..) {
            children.reverse();
        }
        match part.within.and_then(|within| groups.get_mut(within)).and_then(Option::as_mut) {
            Some(parent) => parent.push(group),
            None => whole.push(group),
        }
    }
    whole.into_iter().rev().for_each(|group| tree.push(group));
    tree
}

fn group((part, leaves): (&Part, Vec<Identifier>)) -> TagGroup {
    let mut group = match &part.kind {
        Kind::Heading(level, title) => {
            TagGroup::new(Tag::Hn(NonZeroU16::new(*level).unwrap_or(NonZeroU16::MIN), Some(title.clone())))
        }
        Kind::Paragraph => TagGroup::new(Tag::P),
        Kind::Table(summary) => TagGroup::new(Tag::Table.with_summary(Some(summary.clone()))),
        Kind::Row => TagGroup::new(Tag::TR),
        Kind::HeadOfColumn => TagGroup::new(Tag::TH(TableHeaderScope::Column)),
        Kind::HeadOfRow => TagGroup::new(Tag::TH(TableHeaderScope::Row)),
        Kind::Data => TagGroup::new(Tag::TD),
    };
    leaves.into_iter().for_each(|leaf| group.push(leaf));
    group
}

fn outline(entries: &[Entry]) -> Outline {
    let mut outline = Outline::new();
    for entry in entries {
        let place = XyzDestination::new(entry.page, Point::from_xy(0.0, entry.y));
        outline.push_child(OutlineNode::new(entry.title.clone(), place));
    }
    outline
}
