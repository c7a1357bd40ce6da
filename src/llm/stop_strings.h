#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace halftone {

/// Ends a growing text before the first of some strings, wherever the text's pieces break: what might be the
/// beginning of one is held back until more is known.
class StopStrings {
 public:
  /// Empty strings are ignored.
  explicit StopStrings(std::vector<std::string> stops);

  /// The text that can be shown now that `text` follows.
  std::string push(std::string_view text);
  /// What was held back, when no more text follows.
  std::string finish();
  bool stopped() const { return stopped_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace halftone
