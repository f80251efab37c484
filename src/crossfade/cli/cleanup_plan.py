"""What `crossfade cleanup` would do: the plan of a step, its remarks, and the command that carries it out."""

from __future__ import annotations

from typing import Any, Final

from crossfade.aws.clients import endpoint_and_region
from crossfade.cleanup.export import can_export
from crossfade.cleanup.last_steps import QUIET_DAYS, restoring
from crossfade.cleanup.ledger import StepRecord
from crossfade.cleanup.run import CleanupOptions
from crossfade.cleanup.snapshot_steps import begun_place, refuse_other_begun
from crossfade.cleanup.steps import STEPS, Step
from crossfade.cleanup.storage import S3_SCHEME, place_of
from crossfade.cleanup.survey import CleanupView, StepView
from crossfade.cleanup.usage import is_elsewhere
from crossfade.cli.connect import service_client
from crossfade.cli.opened import OpenedTables
from crossfade.cli.options import quoted
from crossfade.cli.plans import Plan
from crossfade.cli.plans import Step as PlanStep
from crossfade.cli.screen import counted
from crossfade.errors import NotPossibleInStage

CLOUDWATCH: Final = "cloudwatch"


def is_unmeasured(opened: OpenedTables, cloudwatch: Any) -> bool:
    """Whether the tables are at no address of AWS, and CloudWatch is."""
    endpoints = (str(client.meta.endpoint_url) for client in (opened.clients["source"], cloudwatch))
    return [is_elsewhere(endpoint) for endpoint in endpoints] == [True, False]


def unmeasured(opened: OpenedTables) -> str:
    return (
        f"CloudWatch knows nothing of the tables at {endpoint_and_region(opened.clients['source'])}, and is not asked"
    )


def plan_of(opened: OpenedTables, view: CleanupView, chosen: StepView, options: CleanupOptions) -> Plan:
    row = STEPS[chosen.step]
    return Plan(
        f"The step {chosen.step}",
        (PlanStep(chosen.step.value, row.does),),
        way_back_of(opened, view, chosen),
        tuple(remarks_of(opened, view, chosen.step, options)),
    )


def way_back_of(opened: OpenedTables, view: CleanupView, chosen: StepView) -> str:
    """How a step is taken back; of the deletion with the command itself, once there is a snapshot."""
    record = view.view(Step.SNAPSHOT).record
    if chosen.step is not Step.DELETE or record is None:
        return STEPS[chosen.step].way_back
    return restoring(record.fact("place"), opened.migration.source.name, opened.control.table)


def remarks_of(opened: OpenedTables, view: CleanupView, step: Step, options: CleanupOptions) -> list[str]:
    source = opened.migration.source.name
    remarks: list[str] = []
    if step is Step.SNAPSHOT:
        remarks.append(where_it_goes(view, options))
        remarks.append(how_it_is_read(opened, options))
    if step is Step.READ_BACK:
        remarks.append(
            "Every item of the old table is read twice (see --rate); do it before its throughput is lowered."
        )
    if step is Step.THROUGHPUT:
        remarks.append(
            "Auto scaling, where it is on, raises it again: aws application-autoscaling deregister-scalable-target"
            f" --service-namespace dynamodb --resource-id table/{source} --scalable-dimension"
            " dynamodb:table:ReadCapacityUnits (and WriteCapacityUnits; each index likewise)."
        )
    if step is Step.QUIET and needs_no_metrics(opened, options):
        remarks.append(f"{unmeasured(opened)}: --no-metrics.")
    if step is Step.QUIET and not options.metrics:
        remarks.append("Without metrics reads cannot be seen; writes only by comparing table and snapshot at the end.")
    if step is Step.STAMPS and view.attached:
        remarks.append(
            f"Attached and stamping what is written: {counted(view.attached, 'application')}. Detach first, or run this"
            " step again afterwards."
        )
    if step in (Step.QUIET, Step.DELETE) and view.attached:
        remarks.append(
            f"Attached: {counted(view.attached, 'application')}. What is attached asks {source} for the wording of"
            " errors, which counts as use; detach it first."
        )
    if step is Step.DELETE:
        remarks.append(f"There is no way back but the snapshot. The name must be given: --confirm {source}.")
    return remarks


def where_it_goes(view: CleanupView, options: CleanupOptions) -> str:
    """Say where the snapshot is written. Raises what the step would, for a place that cannot be one, or is another."""
    begun = begun_snapshot(view, options)
    if begun is not None:
        refuse_other_begun(begun, options.place, options.sizes.segments)
        return f"It goes on in {begun_place(begun)}, where it was begun."
    if not options.place:
        return "Say where to: --to FOLDER or s3://..."
    return f"It goes to {place_of(options.place, lambda: None).text}."


def begun_snapshot(view: CleanupView, options: CleanupOptions) -> StepRecord | None:
    """The record of a snapshot that the same command would go on with."""
    record = view.view(Step.SNAPSHOT).record
    return None if record is None or options.again or record.done or record.fact("failed") else record


def refuse_other_place(view: CleanupView, step: Step, options: CleanupOptions) -> None:
    """Raises NotPossibleInStage where --to names another place than that of the snapshot which a later step is of."""
    record = view.view(Step.SNAPSHOT).record
    if not options.place or record is None or not record.done or step in (Step.VERIFY, Step.SNAPSHOT):
        return
    there, asked = begun_place(record), place_of(options.place, lambda: None).text
    if asked not in (there, record.fact("place")):
        raise NotPossibleInStage(
            f"the snapshot is in {there}, not in {asked}",
            next_step=f"leave --to away; or for another one: crossfade cleanup --step snapshot --again --to"
            f" {quoted(options.place)} --execute",
        )


def how_it_is_read(opened: OpenedTables, options: CleanupOptions) -> str:
    """Asks the service where it matters, and changes nothing."""
    source = opened.migration.source.name
    scanned = "Every item is read once, strongly consistent (see --rate)"
    if not options.place.startswith(S3_SCHEME):
        return f"{scanned}; to S3, and with point-in-time recovery on, the service exports the table itself."
    if opened.run(can_export(source)):
        return (
            "Point-in-time recovery is on, so the service exports the table itself, in ten minutes or more: that takes"
            " none of its capacity, and is charged by size."
        )
    return (
        f"{scanned}. With point-in-time recovery on, the service would export the table itself: aws dynamodb"
        f" update-continuous-backups --table-name {source} --point-in-time-recovery-specification"
        " PointInTimeRecoveryEnabled=true"
    )


def needs_no_metrics(opened: OpenedTables, options: CleanupOptions) -> bool:
    """Whether that option is missing."""
    region = opened.migration.source.region
    return options.metrics and is_unmeasured(opened, service_client(opened.where, CLOUDWATCH, region))


def command_of(opened: OpenedTables, view: CleanupView, step: Step, options: CleanupOptions) -> str:
    more = {
        Step.SNAPSHOT: f" --to {quoted(options.place or f'backups/{opened.migration.source.name}')}",
        Step.DELETE: f" --confirm {opened.migration.source.name}",
    }
    if begun_snapshot(view, options) is not None:
        more[Step.SNAPSHOT] = ""
    if step is Step.QUIET and (not options.metrics or needs_no_metrics(opened, options)):
        more[step] = " --no-metrics"
    if step is Step.QUIET and options.quiet_days != QUIET_DAYS:
        more[step] = f"{more.get(step, '')} --quiet-days {options.quiet_days:g}"
    if options.on_demand and step is Step.THROUGHPUT:
        more[step] = " --on-demand"
    if options.while_attached and step is Step.STAMPS:
        more[step] = " --while-attached"
    if options.again:
        more[step] = f"{more.get(step, '')} --again"
    rate = "" if options.per_second is None else f" --rate {options.per_second:g}"
    return f"crossfade cleanup --step {step} --execute{more.get(step, '')}{rate}"
