#pragma once

#include <CLI/CLI.hpp>
#include <string_view>

#include "base/json.h"

namespace halftone::cli {

/// Each command adds itself to the program: its options, its worked example (footer) and, as callback, its
/// work.
#define HALFTONE_COMMAND(name) void add_##name(CLI::App& app);
#include "cli/commands.inc"
#undef HALFTONE_COMMAND

/// Writes one JSON object and a newline to standard output; bytes that are not UTF-8 become U+FFFD, and
/// numbers that JSON cannot say (NaN, infinity) become null.
void print_json(const OrderedJson& object);

/// Writes text to standard output as it is.
void print_text(std::string_view text);

}  // namespace halftone::cli
