#pragma once

#include <CLI/CLI.hpp>
#include <span>
#include <string>

#include "base/json.h"
#include "runtime/plan.h"

namespace halftone::cli {

/// Adds --passes.
void add_passes_option(CLI::App& command, bool& passes);

/// What --passes prints: what each pass that ran changed, its time, and how many nodes are left.
std::string passes_text(std::span<const PassReport> passes, size_t nodes);
std::string passes_text(const Plan& plan);
OrderedJson passes_json(std::span<const PassReport> passes);

}  // namespace halftone::cli
