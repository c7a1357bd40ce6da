#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace halftone::jinja {

/// A piece of a template: text between tags, a tag's delimiter, or a word inside a tag.
struct Token {
  enum class Kind {
    text,
    print_begin,
    print_end,
    block_begin,
    block_end,
    name,
    string,
    integer,
    number,
    symbol,
    end
  };
  Kind kind = Kind::end;
  std::string text;  ///< the text, the name, the string's value, the operator
  int64_t integer = 0;
  double number = 0;
  int line = 1;
};

/// Cuts a template into tokens. Whitespace goes as with Jinja's trim_blocks and lstrip_blocks (a block tag
/// alone on its line leaves nothing of it), {%- -%} and {%+ +%}; comments and the last newline are dropped.
/// Throws InputError naming the line.
std::vector<Token> tokenize(std::string_view source);

}  // namespace halftone::jinja
