# Where a CUDA toolkit (12.2 or later) is found: compiles ${device_sources} into one fat binary a file, embeds them, and adds the
# library halftone_cuda_driver.
find_package(CUDAToolkit 12.2 QUIET)
if(NOT CUDAToolkit_FOUND)
  message(STATUS "CUDA 12.2 or later: not found; no CUDA backend")
  return()
endif()
list(JOIN HALFTONE_CUDA_ARCHITECTURES ", " text)
message(STATUS "CUDA ${CUDAToolkit_VERSION}: backend for compute capability ${text}")

set(targets "")
foreach(architecture ${HALFTONE_CUDA_ARCHITECTURES})
  list(APPEND targets -gencode arch=compute_${architecture},code=sm_${architecture})
  set(newest ${architecture})
endforeach()
# Chips newer than the toolkit's list compile this at their first start.
list(APPEND targets -gencode arch=compute_${newest},code=compute_${newest})

set(assembly "    .section .rodata\n")
set(table "")
set(declarations "")
foreach(source ${device_sources})
  get_filename_component(module ${source} NAME_WE)
  set(binary ${CMAKE_CURRENT_BINARY_DIR}/${module}.fatbin)
  add_custom_command(
    OUTPUT ${binary}
    COMMAND ${PROJECT_SOURCE_DIR}/cmake/nvcc.sh ${binary}.ptxas ${CUDAToolkit_NVCC_EXECUTABLE} -fatbin -std=c++20 -O3 ${targets} -I${PROJECT_SOURCE_DIR}/src -Xptxas -v
            -MD -MF ${binary}.d -MT ${binary} -o ${binary} ${source}
    DEPENDS ${source} DEPFILE ${binary}.d VERBATIM
    COMMENT "Compiling ${module} for CUDA")
  list(APPEND binaries ${binary})
  string(APPEND assembly "    .balign 64\nhalftone_module_${module}:\n    .incbin \"${binary}\"\n    .global halftone_module_${module}\n")
  string(APPEND declarations "extern const unsigned char halftone_module_${module}[];\n")
  string(APPEND table "    {\"${module}\", halftone_module_${module}},\n")
endforeach()
set(blob ${CMAKE_CURRENT_BINARY_DIR}/modules.S)
file(GENERATE OUTPUT ${blob} CONTENT "${assembly}    .section .note.GNU-stack,\"\",%progbits\n")
set(list ${CMAKE_CURRENT_BINARY_DIR}/modules.cpp)
file(GENERATE OUTPUT ${list} CONTENT
"#include \"backend/cuda/driver/modules.h\"\n\nextern \"C\" {\n${declarations}}\n\nnamespace halftone::cuda {\nconst DeviceModule kDeviceModules[] = {\n${table}    {nullptr, nullptr}};\n}  // namespace halftone::cuda\n")
enable_language(ASM)
set_source_files_properties(${blob} PROPERTIES OBJECT_DEPENDS "${binaries}" GENERATED ON)
set_source_files_properties(${list} PROPERTIES GENERATED ON)
file(GLOB driver_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/driver/*.cpp)
add_library(halftone_cuda_driver STATIC ${driver_sources} ${list} ${blob})
target_link_libraries(halftone_cuda_driver PUBLIC halftone_backend_cuda PRIVATE ${CMAKE_DL_LIBS})
target_include_directories(halftone_cuda_driver SYSTEM PRIVATE ${CUDAToolkit_INCLUDE_DIRS})
target_compile_definitions(halftone_cuda_driver INTERFACE HALFTONE_CUDA)
