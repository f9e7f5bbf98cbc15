"""The macros every BUILD file here uses, so that flags and tags live in one place."""

# In this tree. .bazelrc says -std=c++17.
_COPTS = [
    "-Wall",
    "-Wextra",
] + select({
    "//tools/bazel:strict": ["-Werror"],
    "//conditions:default": [],
}) + [
    "-Wno-unused-parameter",
] + select({
    # It does not know all of the names below.
    "//tools/bazel:clang": [],
    # GCC 12 reports false positives inside LibTorch's and CAF's headers.
    "//conditions:default": [
        "-Wno-maybe-uninitialized",
        "-Wno-stringop-overflow",
        "-Wno-array-bounds",
        "-Wno-restrict",
    ],
}) + [
    "-Wno-deprecated-declarations",
    # One rounding per operation on every machine: reproducible mode depends on it.
    "-ffp-contract=off",
]

# In another workspace, which can mend none of our warnings and may have made all warnings errors.
# Bazel's own toolchain asks for an older standard.
_COPTS_ELSEWHERE = ["-std=c++17", "-w", "-ffp-contract=off"]

def _is_elsewhere():
    return native.repository_name() != "@"

def _copts(own, deps):
    copts = (_COPTS_ELSEWHERE if _is_elsewhere() else _COPTS) + own
    if "@libtorch" not in deps:
        return copts

    # The last standard on the command line counts.
    return copts + select({
        "@libtorch//:wants_cxx20": ["-std=c++20"],
        "//conditions:default": [],
    })

def swarm_library(name, copts = [], deps = [], **kwargs):
    """A cc_library with the house's warnings. Whose files include LibTorch names @libtorch."""
    native.cc_library(name = name, copts = _copts(copts, deps), deps = deps, **kwargs)

def swarm_binary(name, copts = [], deps = [], **kwargs):
    """A program with the house's warnings."""
    native.cc_binary(name = name, copts = _copts(copts, deps), deps = deps, **kwargs)

_TEST_ARGS = ["--log_level=test_suite", "--color_output=no"]

def swarm_test(name, srcs, deps = [], size = "small", copts = [], args = [], **kwargs):
    """A Boost.Test module; its file names the cases, this macro the module."""
    native.cc_test(
        name = name,
        srcs = srcs,
        size = size,
        copts = _copts(copts, deps),
        linkstatic = True,
        local_defines = ["BOOST_TEST_MODULE=" + name],
        args = _TEST_ARGS + ["--"] + args if args else _TEST_ARGS,
        deps = deps + ["@boost_test"],
        **kwargs
    )

def _planted_impl(settings, attr):
    copt = "//command_line_option:copt"
    return {copt: settings[copt] + ["-DSWARM_PLANTED_BUGS"]}

_planted = transition(
    implementation = _planted_impl,
    inputs = ["//command_line_option:copt"],
    outputs = ["//command_line_option:copt"],
)

def _with_planted_bugs_impl(ctx):
    # What a transition is applied to is a list.
    program = ctx.attr.program[0][DefaultInfo]
    link = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.symlink(
        output = link,
        target_file = program.files_to_run.executable,
        is_executable = True,
    )
    return [DefaultInfo(executable = link, runfiles = program.default_runfiles)]

_WITH_PLANTED_BUGS = {
    "program": attr.label(cfg = _planted, executable = True, mandatory = True),
    "_allowlist_function_transition": attr.label(
        default = "@bazel_tools//tools/allowlists/function_transition_allowlist",
    ),
}

_planted_binary = rule(
    implementation = _with_planted_bugs_impl,
    attrs = _WITH_PLANTED_BUGS,
    executable = True,
)

_planted_test = rule(
    implementation = _with_planted_bugs_impl,
    attrs = _WITH_PLANTED_BUGS,
    test = True,
)

def swarm_planted_binary(name, **kwargs):
    """A program, and all that it is made of, built with the mistakes of actors/planted_bug.hpp.

    Nothing else in the tree has them: what is shipped is what the other tests test.
    """
    swarm_binary(name = name + "_program", tags = ["manual"], **kwargs)
    _planted_binary(name = name, program = name + "_program", testonly = True)

def swarm_planted_test(name, size = "small", **kwargs):
    """The same for a test."""
    swarm_test(name = name + "_program", size = size, tags = ["manual"], **kwargs)
    _planted_test(
        name = name,
        size = size,
        program = name + "_program",
        args = _TEST_ARGS,
    )

def swarm_experiment(name, srcs, deps = [], smoke_args = None, smoke_size = "medium", **kwargs):
    """A program that prints a table, and its smoke run as a test of the suite.

    `smoke_args` are the arguments of the small size; the test runs the program itself and passes
    when it exits 0. None means that a test elsewhere covers the program.
    """
    swarm_binary(name = name, srcs = srcs, deps = deps, **kwargs)
    if smoke_args != None:
        native.sh_test(
            name = name + "_smoke_test",
            size = smoke_size,
            srcs = ["//tools/bazel:run_program.sh"],
            args = ["$(location :%s)" % name] + smoke_args,
            data = [":" + name] + kwargs.get("data", []),
            # Two intra-op threads collapse when another test takes a core.
            tags = ["smoke", "cpu:2"],
        )

CapnpInfo = provider(
    doc = "Cap'n Proto sources of a library and of everything it imports.",
    fields = {
        "sources": "depset of .capnp files",
        "roots": "depset of the folders where absolute imports start",
    },
)

def _capnp_compile_impl(ctx):
    outputs = []
    own = ctx.files.srcs
    transitive = depset(own, transitive = [dep[CapnpInfo].sources for dep in ctx.attr.imports])
    for src in own:
        outputs.append(ctx.actions.declare_file(src.basename + ".h", sibling = src))
        outputs.append(ctx.actions.declare_file(src.basename + ".c++", sibling = src))

    # Absolute imports start at the root of the repository, which is external/NAME for others.
    root = ctx.label.workspace_root or "."
    roots = depset(
        [root],
        transitive = [dep[CapnpInfo].roots for dep in ctx.attr.imports],
    )

    # All files at once: two with one id are refused.
    ctx.actions.run(
        executable = ctx.executable._capnp,
        inputs = transitive,
        tools = [ctx.executable._plugin],
        outputs = outputs,
        arguments = [
            "compile",
            "--src-prefix=" + root,
            "-o%s:%s/%s" % (ctx.executable._plugin.path, ctx.bin_dir.path, root),
        ] + ["-I" + r for r in roots.to_list()] + [src.path for src in own],
        mnemonic = "CapnpCompile",
    )
    return [
        DefaultInfo(files = depset(outputs)),
        CapnpInfo(sources = transitive, roots = roots),
        OutputGroupInfo(
            headers = depset([f for f in outputs if f.extension == "h"]),
            sources = depset([f for f in outputs if f.extension == "c++"]),
        ),
    ]

_capnp_compile = rule(
    implementation = _capnp_compile_impl,
    attrs = {
        "srcs": attr.label_list(allow_files = [".capnp"]),
        "imports": attr.label_list(providers = [CapnpInfo]),
        "_capnp": attr.label(
            default = "@capnp//:bin/capnp",
            executable = True,
            allow_single_file = True,
            cfg = "exec",
        ),
        "_plugin": attr.label(
            default = "@capnp//:bin/capnpc-c++",
            executable = True,
            allow_single_file = True,
            cfg = "exec",
        ),
    },
)

def swarm_capnp_library(name, srcs, deps = [], **kwargs):
    """C++ from .capnp files; `deps` are other swarm_capnp_library targets that are imported."""
    _capnp_compile(
        name = name + "_compile",
        srcs = srcs,
        imports = [dep + "_compile" for dep in deps],
    )
    native.filegroup(name = name + "_headers", srcs = [name + "_compile"], output_group = "headers")
    native.filegroup(name = name + "_sources", srcs = [name + "_compile"], output_group = "sources")
    native.cc_library(
        name = name,
        srcs = [name + "_sources"],
        hdrs = [name + "_headers"],
        copts = ["-w"] + (["-std=c++17"] if _is_elsewhere() else []),
        strip_include_prefix = "/",
        deps = deps + ["@capnp"],
        **kwargs
    )
