#pragma once

#include <CLI/CLI.hpp>

namespace halftone::cli {

/// Adds `eval top1` and `eval map`.
void add_eval_images(CLI::App& eval);

}  // namespace halftone::cli
