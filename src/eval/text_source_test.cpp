#include "eval/text_source.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "formats/test_folder.h"

namespace halftone {
namespace {

template <class Error, class Body>
std::string message(Body body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing thrown";
}

TEST(TextSource, ReadsAFolderOfTextAndJsonLinesInOrder) {
  const TestFolder folder;
  folder.write("b.txt", "second");
  folder.write("a.jsonl", "{\"text\": \"first\"}\n\n{\"text\": \"  \"}\n{\"id\": 1, \"text\": \"more\"}");
  folder.write("c.md", "not read");
  const TextSource source = read_text_source(folder.path());
  EXPECT_EQ(source.documents, (std::vector<std::string>{"first", "more", "second"}));
  EXPECT_EQ(source.joined(), "first\n\nmore\n\nsecond");
}

TEST(TextSource, SaysWhatIsWrong) {
  const TestFolder folder;
  EXPECT_NE(message<InputError>([&] { read_text_source(folder.path()); }).find("no .txt or .jsonl file"),
            std::string::npos);
  folder.write("bad.jsonl", "{\"text\": \"a\"}\n{\"txt\": \"b\"}\n");
  EXPECT_NE(message<InputError>([&] {
              read_text_source(folder.path() / "bad.jsonl");
            }).find("line 2: key \"text\""),
            std::string::npos);
  folder.write("blank.txt", " \n\n");
  EXPECT_NE(message<InputError>([&] { read_text_source(folder.path() / "blank.txt"); }).find("no text"),
            std::string::npos);
}

TEST(TextSource, WikitextRowsAreJoinedAsTheDataSetGivesThem) {
  EXPECT_EQ(join_wikitext_rows(" \n = Title = \n \n text\n"), "\n\n = Title = \n\n\n\n\n text\n");
}

}  // namespace
}  // namespace halftone
