"""Bazel 4 asks for three rule sets it would download; here they are, without a network.

Each becomes a small local repository whose files only re-export the native rules.
"""

_CC_NATIVE = [
    "cc_binary",
    "cc_import",
    "cc_library",
    "cc_test",
    "cc_toolchain",
    "cc_toolchain_suite",
    "cc_proto_library",
    "fdo_prefetch_hints",
    "fdo_profile",
    "objc_library",
    "objc_import",
]

_JAVA_NATIVE = [
    "java_binary",
    "java_import",
    "java_library",
    "java_lite_proto_library",
    "java_package_configuration",
    "java_plugin",
    "java_proto_library",
    "java_runtime",
    "java_test",
    "java_toolchain",
]

def _reexport(names):
    return "".join(["def {0}(**kwargs):\n    native.{0}(**kwargs)\n\n".format(n) for n in names])

def _stub_impl(ctx):
    for path, content in ctx.attr.files.items():
        ctx.file(path, content)

_stub_repository = repository_rule(
    implementation = _stub_impl,
    attrs = {"files": attr.string_dict()},
)

def rule_stubs():
    _stub_repository(
        name = "rules_cc",
        files = {
            "WORKSPACE": "workspace(name = \"rules_cc\")\n",
            "BUILD": "",
            "cc/BUILD": "",
            "cc/defs.bzl": "load(\"@bazel_tools//tools/cpp:compiler_flag.bzl\", _compiler_flag = \"compiler_flag\")\n\n" +
                           "compiler_flag = _compiler_flag\n\n" +
                           "def cc_toolchain_alias(**kwargs):\n    native.cc_toolchain_alias(**kwargs)\n\n" +
                           _reexport(_CC_NATIVE),
        },
    )
    _stub_repository(
        name = "rules_java",
        files = {
            "WORKSPACE": "workspace(name = \"rules_java\")\n",
            "BUILD": "",
            "java/BUILD": "",
            "java/defs.bzl": _reexport(_JAVA_NATIVE),
        },
    )
    _stub_repository(
        name = "remote_coverage_tools",
        files = {
            "WORKSPACE": "workspace(name = \"remote_coverage_tools\")\n",
            "BUILD": "filegroup(name = \"coverage_report_generator\", srcs = [], visibility = [\"//visibility:public\"])\n" +
                     "filegroup(name = \"lcov_merger\", srcs = [], visibility = [\"//visibility:public\"])\n",
        },
    )
