#pragma once

#include <map>
#include <string>

#include "cost/device.h"
#include "graph/graph.h"

namespace halftone {

/// What running a graph takes of a device's memory, in bytes.
struct MemoryNeed {
  double weights = 0;      ///< all constants, as kernels hold them
  double kv = 0;           ///< keys and values of all sequences at full length
  double activations = 0;  ///< the arena of intermediate values of the largest run
  double workspace = 0;    ///< scratch memory of kernels
  double runtime = 0;      ///< the program and its libraries
  double loading = 0;      ///< beyond all of the above while weights are packed
  double system = 0;       ///< what the operating system keeps, where the memory is shared with it

  double total() const { return weights + kv + activations + workspace + runtime + loading + system; }
};

/// Bytes of constants while a graph runs: a layer packs its weights for itself, all other readers of a
/// constant share one copy. On a GPU (`packs_copies` false) they all share.
double resident_weight_bytes(const Graph& graph, bool packs_copies);

/// Bytes of the largest constant that a layer packs: while it does, the constant is there twice. 16-bit
/// floats and codes that are looked up in a table are read as they are stored, and not packed.
double largest_packed_bytes(const Graph& graph);

/// Bytes of the arena that holds every intermediate value of a run at these sizes, placed by their lifetimes
/// as a session places them (runtime/memory_plan.h).
double arena_bytes(const Graph& graph, const std::map<std::string, int64_t>& symbol_sizes);

/// Scratch memory of the largest layer whose activations are quantized as it runs: its codes.
double workspace_bytes(const Graph& graph, const std::map<std::string, int64_t>& symbol_sizes);

/// What the operating system keeps of the device's memory: 0 unless the memory is unified. On the machine
/// that runs this, the caller knows better (free memory).
double system_bytes(const Device& device);

/// Bytes that a program on this machine may take now: what Linux calls available, within the limit of the
/// control group that this process lives in. Unset where the system does not say.
std::optional<double> free_memory_bytes();

}  // namespace halftone
