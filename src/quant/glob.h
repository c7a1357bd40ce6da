#pragma once

#include <string_view>

namespace halftone {

/// Whether `text` as a whole matches `pattern`: `*` stands for any run of characters (dots too), `?` for one.
bool glob_match(std::string_view pattern, std::string_view text);

}  // namespace halftone
