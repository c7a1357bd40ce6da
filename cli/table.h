#pragma once

#include <string>
#include <vector>

namespace halftone::cli {

/// A table for people: columns as wide as their widest cell, two spaces between them, a rule under the head.
class Table {
 public:
  enum class Align { left, right };
  struct Column {
    std::string title;
    Align align = Align::right;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// One cell for each column (missing ones are empty).
  void add_row(std::vector<std::string> cells);
  std::string str() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// "12 B", "3.4 KB", "1.23 GB": powers of 1000, three figures.
std::string bytes_text(double bytes);

}  // namespace halftone::cli
