# Cross build for 64-bit Arm with Debian's cross compiler; tests run under qemu-user.
# HALFTONE_SYSROOT holds Debian's arm64 libraries (tools/sysroot_aarch64.sh unpacks them there).
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES HALFTONE_SYSROOT)
set(libraries ${HALFTONE_SYSROOT}/usr/lib/aarch64-linux-gnu)
set(CMAKE_PREFIX_PATH ${HALFTONE_SYSROOT}/usr)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(ENV{PKG_CONFIG_LIBDIR} ${libraries}/pkgconfig)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${HALFTONE_SYSROOT})
add_link_options(-Wl,-rpath-link,${libraries}:${HALFTONE_SYSROOT}/lib/aarch64-linux-gnu)
set(CMAKE_CROSSCOMPILING_EMULATOR "qemu-aarch64;-L;/usr/aarch64-linux-gnu;-E;LD_LIBRARY_PATH=${libraries}:${HALFTONE_SYSROOT}/lib/aarch64-linux-gnu")
