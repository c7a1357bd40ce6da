#pragma once

#include <span>
#include <string>
#include <string_view>

namespace halftone {

/// The name nearest to `typed` by edit distance, if it is near enough to be a slip of the fingers; else "".
std::string nearest_name(std::string_view typed, std::span<const std::string> names);

/// "; did you mean 'NAME'?" for the nearest name, or "".
std::string did_you_mean(std::string_view typed, std::span<const std::string> names);

}  // namespace halftone
