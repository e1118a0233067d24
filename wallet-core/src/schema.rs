//! Schemas of what stands on the wire as a text of a certain form, for a description of an API (feature `openapi`). All other types
//! derive theirs.

/// Gives a type the schema of a text that fits `pattern` (ECMA-262, as JSON Schema 2020-12 §6.3.3 has it).
macro_rules! text_schema {
    ($name:ident, $pattern:expr, $about:expr) => {
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                use utoipa::openapi::schema::{Object, ObjectBuilder, Schema, Type};
                let text: Object = ObjectBuilder::new()
                    .schema_type(Type::String)
                    .pattern(Some($pattern))
                    .description(Some($about))
                    .build();
                Schema::Object(text).into()
            }
        }

        impl utoipa::ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
        }
    };
}
