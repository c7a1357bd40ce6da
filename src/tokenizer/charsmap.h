#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace halftone {

/// SentencePiece's precompiled table of character replacements: a 4-byte little-endian size, a double-array
/// trie of that many bytes (darts-clone units), then the replacements, each ended by a NUL.
class Charsmap {
 public:
  /// Checks that no walk leaves the trie and every replacement lies within the table. Throws InputError.
  Charsmap(std::string_view bytes, const std::string& source);
  static Charsmap from_base64(std::string_view text, const std::string& source);

  /// The replacements as the `tokenizers` package makes them: a grapheme cluster below 6 bytes as a whole if
  /// it has one, else character by character; the shortest entry that begins it decides.
  std::string apply_to_graphemes(std::string_view text) const;

  struct Hit {
    size_t length;
    std::string_view replacement;
  };
  /// The longest entry (or the shortest) that begins `text`; SentencePiece takes the longest at each place.
  std::optional<Hit> find(std::string_view text, bool longest) const;

 private:
  std::vector<uint32_t> units_;
  std::string replacements_;
};

}  // namespace halftone
