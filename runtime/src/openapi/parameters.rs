//! Parameters that several operations take, each told once.

use serde_json::Value;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};

/// A text, of any length and form.
pub fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::String))
}

/// A number without fraction.
pub fn whole_number(least: u64, greatest: u64) -> ObjectBuilder {
    let number = ObjectBuilder::new().schema_type(SchemaType::Type(Type::Integer));
    number.minimum(Some(least)).maximum(Some(greatest))
}

/// A segment of the path.
pub fn path_parameter(name: &str, about: &str, schema: ObjectBuilder) -> Parameter {
    parameter(ParameterIn::Path, name, about, schema).required(Required::True).build()
}

/// A parameter of the query string that may be left out.
pub fn query_parameter(name: &str, about: &str, schema: ObjectBuilder) -> Parameter {
    parameter(ParameterIn::Query, name, about, schema).build()
}

/// A header of the request that may be left out.
pub fn header_parameter(name: &str, about: &str, schema: ObjectBuilder) -> Parameter {
    parameter(ParameterIn::Header, name, about, schema).build()
}

fn parameter(place: ParameterIn, name: &str, about: &str, schema: ObjectBuilder) -> ParameterBuilder {
    let parameter = ParameterBuilder::new().name(name).parameter_in(place).required(Required::False);
    parameter.description(Some(about)).schema(Some(schema))
}

/// What need not be given is left out: nobody can send null in a header or a query string.
pub(super) fn leave_out_null(operation: &mut Value) {
    let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
    for kind in parameters.into_iter().flatten().filter_map(|parameter| parameter.pointer_mut("/schema/type")) {
        if let Some([one, null]) = kind.as_array().map(Vec::as_slice)
            && null == "null"
        {
            *kind = one.clone();
        }
    }
}
