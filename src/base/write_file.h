#pragma once

#include <string_view>

#include "base/file.h"

namespace halftone {

/// Writes a file whole or not at all. Throws what AtomicFile throws.
inline void write_file(const fs::path& path, std::span<const std::byte> content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}
inline void write_file(const fs::path& path, std::string_view text) {
  write_file(path, std::as_bytes(std::span(text)));
}

}  // namespace halftone
