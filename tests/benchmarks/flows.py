"""The flows that are measured beside the article's order flow (which is one of the product's examples)."""

ORDER = ("company.team", "order")
NAMESPACE = "bench"


def three_levels(values: int, limit: int) -> str:
    """10 x 10 x `values` Return tasks; with the three levels of loops 10 * 10 * values + 110 + 1 task runs and more."""
    return f"""
id: levels-{values}-{limit}
namespace: {NAMESPACE}
tasks:
  - id: first
    type: io.kestra.plugin.core.flow.ForEach
    values: {list(range(10))}
    concurrencyLimit: {limit}
    tasks:
      - id: second
        type: io.kestra.plugin.core.flow.ForEach
        values: {list(range(10))}
        concurrencyLimit: {limit}
        tasks:
          - id: third
            type: io.kestra.plugin.core.flow.ForEach
            values: {list(range(values))}
            concurrencyLimit: {limit}
            tasks:
              - id: leaf
                type: io.kestra.plugin.core.debug.Return
                format: "{{{{ parents[1].taskrun.value }}}}-{{{{ parents[0].taskrun.value }}}}-{{{{ taskrun.value }}}}"
"""


def conditions_and_logs(pairs: int = 5) -> str:
    tasks = "".join(
        f"""
  - id: if{number}
    type: io.kestra.plugin.core.flow.If
    condition: "{{{{ inputs.number >= 0 }}}}"
    then:
      - id: log{number}
        type: io.kestra.plugin.core.log.Log
        message: "step {number} of {{{{ inputs.number }}}}"
"""
        for number in range(pairs)
    )
    return f"id: five-ifs\nnamespace: {NAMESPACE}\ninputs:\n  - id: number\n    type: INT\n    defaults: 1\ntasks:\n{tasks}"


def loop_of(items: int) -> str:
    return f"""
id: loop-{items}
namespace: {NAMESPACE}
tasks:
  - id: each
    type: io.kestra.plugin.core.flow.ForEach
    values: {list(range(items))}
    concurrencyLimit: 0
    tasks:
      - id: log
        type: io.kestra.plugin.core.log.Log
        message: "item {{{{ taskrun.value }}}}"
"""
