#include "cli/table.h"

#include <gtest/gtest.h>

namespace halftone::cli {
namespace {

TEST(Table, AlignsByCharactersNotBytes) {
  Table table({{"name", Table::Align::left}, {"size"}});
  table.add_row({"é", "1"});
  table.add_row({"long", "12345"});
  EXPECT_EQ(table.str(),
            "name   size\n"
            "----  -----\n"
            "é         1\n"
            "long  12345\n");
}

TEST(Table, MissingCellsAreEmpty) {
  Table table({{"a", Table::Align::left}, {"b", Table::Align::left}});
  table.add_row({"x"});
  EXPECT_EQ(table.str(), "a  b\n-  -\nx\n");
}

TEST(BytesText, ThreeFigures) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(999), "999 B");
  EXPECT_EQ(bytes_text(1234), "1.23 KB");
  EXPECT_EQ(bytes_text(12345678), "12.3 MB");
  EXPECT_EQ(bytes_text(999.6e6), "1.00 GB");
}

}  // namespace
}  // namespace halftone::cli
