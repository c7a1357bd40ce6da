#pragma once

#include <string_view>

namespace halftone {

/// A file of data/ that is compiled into the program, so that the program can be moved (cmake/embed.cmake).
struct EmbeddedFile {
  std::string_view name;  ///< "rtx-3090.json"; empty ends a list
  std::string_view text;
};

}  // namespace halftone
