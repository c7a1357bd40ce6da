#pragma once

namespace halftone::cuda {

/// A fat binary of the build: the kernels of one .cu file for each architecture.
struct DeviceModule {
  const char* name;  ///< of the file, without its ending; null ends the list
  const unsigned char* binary;
};
extern const DeviceModule kDeviceModules[];

}  // namespace halftone::cuda
