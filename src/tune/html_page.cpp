#include "tune/html_page.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace halftone {
namespace {

constexpr const char* kStyle = R"(
body { font: 15px/1.5 system-ui, sans-serif; color: #1b1f24; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; } th, td { padding: .25rem .5rem; text-align: right; }
th { border-bottom: 2px solid #1b1f24; } td { border-bottom: 1px solid #d8dee4; }
th:first-child, td:first-child { text-align: left; } tr.best td { background: #e8f4ec; font-weight: 600; }
tr.no td { color: #8c959f; } svg text { font: 12px system-ui, sans-serif; fill: #1b1f24; }
.note { color: #57606a; } .legend span { display: inline-block; margin-right: 1.2rem; }
.legend i { display: inline-block; width: .8rem; height: .8rem; margin-right: .35rem; border-radius: 2px; }
)";

}  // namespace

std::string html_escaped(std::string_view text) {
  std::string out;
  for (char c : text) switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  return out;
}

std::string html_page(std::string_view title, std::string_view body) {
  const std::string name = html_escaped(title);
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta "
      "charset=\"utf-8\">\n<title>{}</title>\n<style>{}</style>\n"
      "</head>\n<body>\n<h1>{}</h1>\n{}</body>\n</html>\n",
      name, kStyle, name, body);
}

std::string html_table(const std::vector<std::string>& head,
                       const std::vector<std::vector<std::string>>& rows) {
  std::string html = "<table>\n<tr>";
  for (const std::string& cell : head) html += fmt::format("<th>{}</th>", html_escaped(cell));
  html += "</tr>\n";
  for (const auto& row : rows) {
    html += "<tr>";
    for (const std::string& cell : row) html += fmt::format("<td>{}</td>", html_escaped(cell));
    html += "</tr>\n";
  }
  return html + "</table>\n";
}

std::string html_bars(const std::vector<HtmlBar>& bars, std::string_view label) {
  constexpr double kLeft = 290, kRight = 920, kRow = 20, kLetter = 7;
  double most = 0;
  size_t letters = 0;
  for (const HtmlBar& bar : bars) {
    if (std::isfinite(bar.value)) most = std::max(most, bar.value);
    letters = std::max(letters, bar.text.size());
  }
  const double full = std::max(kRight - kLeft - 12 - kLetter * static_cast<double>(letters), 100.0);
  std::string svg = fmt::format("<svg viewBox=\"0 0 920 {:.0f}\" role=\"img\" aria-label=\"{}\">\n",
                                kRow * static_cast<double>(bars.size()) + 8, html_escaped(label));
  double y = 4;
  for (const HtmlBar& bar : bars) {
    const double share = most > 0 ? std::max(bar.value, 0.0) / most : 0;
    const double width = full * (std::isfinite(bar.value) ? share : 1);
    svg += fmt::format(
        "<text x=\"{:.0f}\" y=\"{:.0f}\" text-anchor=\"end\">{}</text>"
        "<rect x=\"{:.0f}\" y=\"{:.0f}\" width=\"{:.1f}\" height=\"13\" fill=\"{}\"/>"
        "<text x=\"{:.1f}\" y=\"{:.0f}\">{}</text>\n",
        kLeft - 8, y + 11, html_escaped(bar.label), kLeft, y, width, bar.strong ? "#b3261e" : "#4a6fa5",
        kLeft + width + 6, y + 11, html_escaped(bar.text));
    y += kRow;
  }
  return svg + "</svg>\n";
}

}  // namespace halftone
