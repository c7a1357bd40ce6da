#pragma once

#include <optional>

#include "graph/graph.h"

namespace halftone {

/// Static activation encodings: the codes in which a node reads an input, or makes an output. They are
/// attributes of the node, codes_in and codes_out, so they are saved, loaded and printed with it: for each
/// slot a scale (0: none) and a zero, 32768 for wide codes. passes/lower_codes.h carries them out.
std::optional<CodeScale> codes_in(const Node& node, size_t input);
std::optional<CodeScale> codes_out(const Node& node, size_t output);
void set_codes_in(Node& node, size_t input, const CodeScale& codes);
void set_codes_out(Node& node, size_t output, const CodeScale& codes);

/// Whether a node has any; and takes them all away.
bool has_static_codes(const Node& node);
void forget_static_codes(Node& node);

}  // namespace halftone
