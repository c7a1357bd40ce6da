#include "cli/table.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>

namespace halftone::cli {
namespace {

/// Characters of UTF-8 text (each taken as one cell wide).
size_t width(const std::string& text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string padded(const std::string& text, size_t cells, Table::Align align) {
  const std::string space(cells - std::min(cells, width(text)), ' ');
  return align == Table::Align::left ? text + space : space + text;
}

}  // namespace

void Table::add_row(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::str() const {
  std::vector<size_t> widths;
  for (size_t i = 0; i < columns_.size(); ++i) {
    size_t widest = width(columns_[i].title);
    for (const auto& row : rows_) widest = std::max(widest, width(row[i]));
    widths.push_back(widest);
  }
  std::string text;
  auto line = [&](auto&& cell) {
    std::string row;
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (i) row += "  ";
      row += cell(i);
    }
    row.erase(row.find_last_not_of(' ') + 1);
    text += row + "\n";
  };
  line([&](size_t i) { return padded(columns_[i].title, widths[i], columns_[i].align); });
  line([&](size_t i) { return std::string(widths[i], '-'); });
  for (const auto& row : rows_) line([&](size_t i) { return padded(row[i], widths[i], columns_[i].align); });
  return text;
}

std::string bytes_text(double bytes) {
  constexpr std::array kUnits = {"B", "KB", "MB", "GB", "TB", "PB"};
  size_t unit = 0;
  while (std::abs(bytes) >= 999.5 && unit + 1 < kUnits.size()) {
    bytes /= 1000;
    ++unit;
  }
  const int decimals = unit == 0 || std::abs(bytes) >= 99.95 ? 0 : std::abs(bytes) >= 9.995 ? 1 : 2;
  return fmt::format("{:.{}f} {}", bytes, decimals, kUnits[unit]);
}

}  // namespace halftone::cli
