#pragma once

#include <vector>

#include "cost/device.h"
#include "cost/probe.h"

namespace halftone {

/// Measures this machine beside other work, look after look, since what a shared machine does drifts. Keeps
/// its buffers, so that they weigh the same at any time: bytes().
class MachineProbe {
 public:
  /// `working_set`: bytes of the weights that will be read in turn; the memory is looked at over as many.
  /// 0: over streaming_bytes(), as for a model of which nothing is known.
  explicit MachineProbe(ThreadPool& threads, double working_set = 0);

  /// One look at each roof: some tenths of a second.
  void look();

  /// This machine, "this-machine", as the median of all looks finds it. Looks once if none was taken.
  Device device();
  double bytes() const;
  size_t looks() const { return peaks_.size(); }
  /// Bytes per second that one look found the memory to give: 0 the first, looks() - 1 the last.
  double bandwidth_at(size_t look) const;

 private:
  struct Level {
    ReadProbe probe;
    std::vector<double> samples{};
  };
  ThreadPool& threads_;
  std::vector<Level> levels_;  ///< smallest first
  std::vector<PeakSample> peaks_{};
};

/// This machine as a few looks of a MachineProbe find it now, with `threads`.
Device measured_device(ThreadPool& threads);

}  // namespace halftone
