"""Addresses of flows, namespaces and plugins, relative to `/api/v1/` and `/api/v1/{tenant}/`."""

from django.urls import path

from flows.api import flows, many, topology, validation

urlpatterns = [
    path("flows", flows.CreateView.as_view()),
    path("flows/search", flows.SearchView.as_view()),
    path("flows/source", flows.SourceSearchView.as_view()),
    path("flows/deprecated", flows.DeprecatedView.as_view()),
    path("flows/distinct-namespaces", flows.DistinctNamespacesView.as_view()),
    path("flows/validate", validation.ValidateView.as_view()),
    path("flows/validate/task", validation.ValidatePartView.as_view()),
    path("flows/validate/trigger", validation.ValidatePartView.as_view(what="trigger")),
    path("flows/graph", topology.GraphOfSourceView.as_view()),
    path("namespaces/<str:namespace>/dependencies", topology.NamespaceDependenciesView.as_view()),
    path("flows/bulk", many.BulkView.as_view()),
    path("flows/import", many.ImportView.as_view()),
    path("flows/export/by-query", many.ExportView.as_view()),
    path("flows/export/by-ids", many.ExportView.as_view()),
    path("flows/delete/by-query", many.DeleteByQueryView.as_view()),
    path("flows/delete/by-ids", many.DeleteView.as_view()),
    path("flows/disable/by-query", many.SwitchByQueryView.as_view(disabled=True)),
    path("flows/disable/by-ids", many.SwitchView.as_view(disabled=True)),
    path("flows/enable/by-query", many.SwitchByQueryView.as_view(disabled=False)),
    path("flows/enable/by-ids", many.SwitchView.as_view(disabled=False)),
    path("flows/<str:namespace>", flows.FlowsOfNamespaceView.as_view()),
    path("flows/<str:namespace>/<str:flow_id>", flows.OneFlowView.as_view()),
    path("flows/<str:namespace>/<str:flow_id>/graph", topology.GraphView.as_view()),
    path("flows/<str:namespace>/<str:flow_id>/dependencies", topology.DependenciesView.as_view()),
    path("flows/<str:namespace>/<str:flow_id>/revisions", flows.RevisionsView.as_view()),
    path("flows/<str:namespace>/<str:flow_id>/tasks/<str:task_id>", flows.TaskOfFlowView.as_view()),
    path("flows/<str:namespace>/<str:flow_id>/<str:task_id>", flows.UpdateTaskView.as_view()),
]
