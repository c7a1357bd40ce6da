#include "cli/command.h"

#include <cstdio>

namespace halftone::cli {

void print_json(const OrderedJson& object) {
  print_text(object.dump(2, ' ', false, OrderedJson::error_handler_t::replace) + "\n");
}

void print_text(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size())
    throw ResourceError("standard output: cannot write {} bytes", text.size());
}

}  // namespace halftone::cli
