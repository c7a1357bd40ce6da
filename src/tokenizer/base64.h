#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace halftone {

/// The bytes that standard base64 (RFC 4648, with its padding) spells, or nothing when it is not that.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace halftone
