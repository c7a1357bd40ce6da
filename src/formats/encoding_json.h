#pragma once

#include <string>

#include "base/json.h"
#include "scheme/encoding.h"

namespace halftone {

/// {"format": "int4", "granularity": "per_group", "group": 32, "symmetric": true, "scale_dtype": "f16"}; keys
/// that are at their usual value (fixed timing, no real minimum, no double quantization) are left out.
OrderedJson encoding_to_json(const Encoding& encoding);

/// The same back. `where` begins the text of an InputError for unknown formats, missing keys and sizes out of
/// range.
Encoding encoding_from_json(const Json& json, const std::string& where);

}  // namespace halftone
