#pragma once

#include <string>
#include <string_view>

#include "base/file.h"
#include "base/json.h"

namespace halftone {

/// The text of a config.json, checked: an object; model_type a string; architectures a list of strings;
/// torch_dtype (or dtype) a string; sizes that every family has positive where they are given. Throws
/// InputError naming `source`.
Json parse_hf_config(std::string_view text, const std::string& source);

/// The text of a generation_config.json, checked: an object; token ids integers or lists of them;
/// temperature, top_k, top_p and the other numbers of sampling numbers. Throws InputError naming `source`.
Json parse_generation_config(std::string_view text, const std::string& source);

/// config.json of a folder. Throws InputError when it is missing or wrong.
Json read_hf_config(const fs::path& folder);
/// generation_config.json of a folder, or an empty object where there is none.
Json read_generation_config(const fs::path& folder);

}  // namespace halftone
