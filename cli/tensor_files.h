#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/file.h"
#include "graph/graph.h"

namespace halftone::cli {

/// The files that one run of a graph reads, by the names of its inputs.
using InputFiles = std::map<std::string, fs::path>;

/// A .npy file, or raw little-endian elements in the type and shape of the graph's `input` (of which one
/// dimension may be open). Throws InputError that says what was expected.
Tensor read_input(const Graph& graph, const Value& input, const fs::path& path);

/// A file with the inputs of one run a line: "NAME:=FILE NAME:=FILE ...", or the files alone in the order of
/// the graph's inputs. Lines that start with # or % are left out. Paths are relative to the current folder,
/// or to that of the list where they are not found there.
std::vector<InputFiles> read_input_list(const Graph& graph, const fs::path& list);

/// What the files of outputs are called, their ends aside: as the outputs, but that / and the like become _.
/// Where this makes two alike, a number tells the changed one: a_b-2.
std::vector<std::string> file_names(const std::vector<std::string>& outputs);

/// FILE.npy or, with `raw`, FILE.raw in `folder`, which is made where it is missing. Returns the path.
fs::path write_output(const fs::path& folder, const std::string& file, const TensorView& tensor, bool raw);

}  // namespace halftone::cli
