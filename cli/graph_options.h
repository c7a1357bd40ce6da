#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <string>

#include "graph/graph.h"

namespace halftone::cli {

/// Whether `path` is an ONNX model or a Halftone folder of a graph without states: language models keep one.
bool is_plain_graph(const std::string& path);

/// The graph that `path` names, with the open dimensions that `dims` ("N=1", --dim) fixes.
Graph open_graph_with(const std::string& path, const std::vector<std::string>& dims);

/// Adds --dim NAME=SIZE.
void add_dim_option(CLI::App& command, std::vector<std::string>& dims);

/// "NAME=VALUE" in two; UsageError "FLAG: expected NAME=WHAT, found ..." when it is not.
std::pair<std::string, std::string> split_assignment(const std::string& text, std::string_view flag,
                                                     std::string_view what);

}  // namespace halftone::cli
