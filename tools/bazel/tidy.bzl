"""`bazel build --config=tidy //...` runs clang-tidy over every C++ source of the tree."""

# The count of warnings in headers of other people says nothing.
_COMMAND = """
command -v clang-tidy >/dev/null || {{ echo 'clang-tidy is missing: run tools/setup --tidy'; exit 1; }}
if clang-tidy --quiet --config-file={config} {src} -- {flags} >{report} 2>&1; then exit 0; fi
grep -v 'warnings\\? generated' {report}
exit 1
"""

def _tidy_impl(target, ctx):
    if CcInfo not in target or not hasattr(ctx.rule.attr, "srcs"):
        return [OutputGroupInfo(clang_tidy = depset())]
    compilation = target[CcInfo].compilation_context
    flags = ["-std=c++17"] + [
        "-D" + define
        for define in compilation.defines.to_list() + getattr(ctx.rule.attr, "local_defines", [])
    ]
    for include in compilation.system_includes.to_list() + compilation.includes.to_list():
        flags += ["-isystem", include]
    for include in compilation.quote_includes.to_list():
        flags += ["-iquote", include]
    reports = []
    for src in [f for attr in ctx.rule.attr.srcs for f in attr.files.to_list()]:
        if src.extension != "cpp" or not src.is_source or src.owner.workspace_name:
            continue
        report = ctx.actions.declare_file("%s.%s.tidy" % (target.label.name, src.basename))
        reports.append(report)
        ctx.actions.run_shell(
            inputs = depset([src, ctx.file._config], transitive = [compilation.headers]),
            outputs = [report],
            command = _COMMAND.format(
                config = ctx.file._config.path,
                src = src.path,
                flags = " ".join(["'%s'" % flag for flag in flags]),
                report = report.path,
            ),
            mnemonic = "ClangTidy",
            use_default_shell_env = True,
        )
    return [OutputGroupInfo(clang_tidy = depset(reports))]

clang_tidy_aspect = aspect(
    implementation = _tidy_impl,
    attrs = {"_config": attr.label(default = "//:.clang-tidy", allow_single_file = True)},
)
