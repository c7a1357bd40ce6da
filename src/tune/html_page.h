#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace halftone {

/// A whole page that needs no other file: the style of all our reports around `body`.
std::string html_page(std::string_view title, std::string_view body);

/// Text with the characters that mean something in HTML written as entities.
std::string html_escaped(std::string_view text);

/// A table; cells are text (escaped here). The first column is aligned left, numbers right.
std::string html_table(const std::vector<std::string>& head,
                       const std::vector<std::vector<std::string>>& rows);

/// One horizontal bar.
struct HtmlBar {
  std::string label;
  double value = 0;
  std::string text;     ///< beside the bar: "41.2 dB"
  bool strong = false;  ///< drawn in the colour that asks for attention
};

/// Bars under each other, to the scale of the largest finite value; others are as long as that.
std::string html_bars(const std::vector<HtmlBar>& bars, std::string_view label);

}  // namespace halftone
