"""Libraries the operating system provides, one repository each.

A missing header or shared object stops the build with the name of the apt package; of an optional
library it leaves an empty target, and what is built on it says that it is not installed.
LIBTORCH_HOME=/path/to/libtorch selects another LibTorch (upstream or CUDA builds).
"""

_ENVIRON = ["CC", "CXX", "PATH", "LIBTORCH_HOME"]

def _compiler(ctx):
    name = ctx.os.environ.get("CXX", "c++")
    path = ctx.which(name)
    if path == None:
        fail("No C++ compiler '%s' on PATH. Run tools/setup, or: apt-get install g++" % name)
    return path

def _require(ctx, what, found):
    if not found:
        fail("%s (%s) is not installed. Run tools/setup, or: apt-get install %s" %
             (ctx.attr.title, what, ctx.attr.apt))

def _library_exists(ctx, compiler, lib):
    name = "lib%s.so" % lib
    result = ctx.execute([compiler, "-print-file-name=" + name])
    # The compiler echoes the bare name back when it finds nothing.
    return result.return_code == 0 and result.stdout.strip() != name

def _header_path(ctx, header):
    for root in ["/usr/include", "/usr/local/include"]:
        candidate = ctx.path(root + "/" + header)
        if candidate.exists:
            return candidate
    return None

def _is_installed(ctx, compiler):
    for header in ctx.attr.headers:
        if _header_path(ctx, header) == None:
            return False
    for lib in ctx.attr.libs:
        if not _library_exists(ctx, compiler, lib):
            return False
    return True

def _system_library_impl(ctx):
    compiler = _compiler(ctx)
    if ctx.attr.optional and not _is_installed(ctx, compiler):
        ctx.file("BUILD", """package(default_visibility = ["//visibility:public"])
cc_library(name = "%s")
""" % ctx.attr.target)
        return
    for header in ctx.attr.headers:
        _require(ctx, header, _header_path(ctx, header) != None)
    for lib in ctx.attr.libs:
        _require(ctx, "lib%s.so" % lib, _library_exists(ctx, compiler, lib))
    for tool in ctx.attr.tools:
        found = ctx.which(tool)
        _require(ctx, tool, found != None)
        ctx.symlink(found, "bin/" + tool)
    ctx.file("BUILD", """package(default_visibility = ["//visibility:public"])
cc_library(name = "{name}", linkopts = {linkopts}, defines = {defines}, deps = {deps})
exports_files(glob(["bin/*"], allow_empty = True))
""".format(
        name = ctx.attr.target,
        linkopts = ["-l" + lib for lib in ctx.attr.libs],
        defines = ctx.attr.defines,
        deps = ctx.attr.library_deps,
    ))

_system_library = repository_rule(
    implementation = _system_library_impl,
    local = True,
    configure = True,
    environ = _ENVIRON,
    attrs = {
        "title": attr.string(mandatory = True),
        "apt": attr.string(mandatory = True),
        "target": attr.string(mandatory = True),
        "headers": attr.string_list(),
        "libs": attr.string_list(),
        "tools": attr.string_list(),
        "defines": attr.string_list(),
        "library_deps": attr.string_list(),
        "optional": attr.bool(),
    },
)

def _libtorch_impl(ctx):
    compiler = _compiler(ctx)
    home = ctx.os.environ.get("LIBTORCH_HOME", "")
    linkopts = []
    libs = ["torch", "torch_cpu", "c10"]
    if home:
        include = ctx.path(home + "/include")
        if not ctx.path(home + "/include/torch").exists:
            fail("LIBTORCH_HOME=%s has no include/torch. Point it at an unpacked LibTorch." % home)
        linkopts = ["-L%s/lib" % home, "-Wl,-rpath,%s/lib" % home]
        if ctx.path(home + "/lib/libtorch_cuda.so").exists:
            # Nothing references CUDA symbols directly: the linker would drop the library.
            linkopts += ["-Wl,--no-as-needed", "-ltorch_cuda", "-lc10_cuda", "-Wl,--as-needed"]
        ctx.symlink(ctx.path(home + "/include"), "include")
    else:
        _require(ctx, "torch/csrc/api/include/torch/torch.h", _header_path(ctx, "torch/script.h") != None)
        for lib in libs:
            _require(ctx, "lib%s.so" % lib, _library_exists(ctx, compiler, lib))
        for directory in ["torch", "ATen", "c10", "caffe2"]:
            path = _header_path(ctx, directory)
            if path != None:
                ctx.symlink(path, "include/" + directory)

    # Headers of newer ones are C++20. A setting that always or never holds says so.
    umbrella = ctx.path("include/ATen/ATen.h")
    wants_cxx20 = umbrella.exists and "202002L" in ctx.read(umbrella)

    # The include tree is one directory label: globbing 8,000 headers costs seconds per action.
    ctx.file("BUILD", """package(default_visibility = ["//visibility:public"])
cc_library(
    name = "libtorch",
    hdrs = ["include"],
    includes = ["include", "include/torch/csrc/api/include"],
    linkopts = {linkopts},
)
config_setting(
    name = "wants_cxx20",
    constraint_values = ["@platforms//os:{system}"],
)
""".format(
        linkopts = linkopts + ["-l" + lib for lib in libs],
        system = "linux" if wants_cxx20 else "windows",
    ))

_libtorch = repository_rule(
    implementation = _libtorch_impl,
    local = True,
    configure = True,
    environ = _ENVIRON,
    attrs = {"title": attr.string(), "apt": attr.string()},
)

def system_libraries():
    _libtorch(name = "libtorch", title = "LibTorch", apt = "libtorch-dev libopenblas0-openmp")
    _system_library(
        name = "caf",
        title = "C++ Actor Framework",
        apt = "libcaf-dev",
        target = "caf",
        headers = ["caf/all.hpp", "caf/io/all.hpp", "caf/openssl/all.hpp"],
        libs = ["caf_core", "caf_io", "caf_openssl"],
    )
    _system_library(
        name = "capnp",
        title = "Cap'n Proto",
        apt = "libcapnp-dev capnproto",
        target = "capnp",
        headers = ["capnp/message.h"],
        libs = ["capnp", "kj"],
        tools = ["capnp", "capnpc-c++"],
    )
    _system_library(
        name = "spdlog",
        title = "spdlog",
        apt = "libspdlog-dev libfmt-dev",
        target = "spdlog",
        headers = ["spdlog/spdlog.h", "fmt/format.h"],
        libs = ["spdlog", "fmt"],
        defines = ["SPDLOG_SHARED_LIB", "SPDLOG_COMPILED_LIB", "SPDLOG_FMT_EXTERNAL"],
    )
    _system_library(
        name = "boost_test",
        title = "Boost.Test",
        apt = "libboost-test-dev",
        target = "boost_test",
        headers = ["boost/test/unit_test.hpp"],
        libs = ["boost_unit_test_framework"],
        defines = ["BOOST_TEST_DYN_LINK"],
    )
    _system_library(
        name = "sodium",
        title = "libsodium",
        apt = "libsodium-dev",
        target = "sodium",
        headers = ["sodium.h"],
        libs = ["sodium"],
    )
    _system_library(
        name = "openssl",
        title = "OpenSSL",
        apt = "libssl-dev",
        target = "openssl",
        headers = ["openssl/ssl.h"],
        libs = ["ssl", "crypto"],
    )
    _system_library(
        name = "asio",
        title = "Boost.Asio",
        apt = "libboost-dev",
        target = "asio",
        headers = ["boost/asio.hpp"],
    )
    _system_library(
        name = "zlib",
        title = "zlib",
        apt = "zlib1g-dev",
        target = "zlib",
        headers = ["zlib.h"],
        libs = ["z"],
    )
    _system_library(
        name = "xxhash",
        title = "xxHash",
        apt = "libxxhash-dev",
        target = "xxhash",
        headers = ["xxhash.h"],
        libs = ["xxhash"],
    )
    _system_library(
        name = "nlohmann_json",
        title = "JSON for Modern C++",
        apt = "nlohmann-json3-dev",
        target = "nlohmann_json",
        headers = ["nlohmann/json.hpp"],
    )
    _system_library(
        name = "grpc",
        title = "gRPC",
        apt = "libgrpc++-dev",
        target = "grpc",
        headers = ["grpcpp/generic/generic_stub.h"],
        libs = ["grpc++", "grpc", "gpr", "absl_synchronization"],
        defines = ["SWARM_HAS_GRPC"],
        optional = True,
    )
    _system_library(
        name = "gloo",
        title = "Gloo",
        apt = "libgloo-dev",
        target = "gloo",
        headers = ["gloo/rendezvous/context.h"],
        libs = ["gloo"],
        defines = ["SWARM_HAS_GLOO"],
        optional = True,
    )
    _system_library(
        name = "opendht",
        title = "OpenDHT",
        apt = "libopendht-dev",
        target = "opendht",
        headers = ["opendht.h"],
        libs = ["opendht", "gnutls"],
        defines = ["SWARM_HAS_OPENDHT"],
        optional = True,
    )
