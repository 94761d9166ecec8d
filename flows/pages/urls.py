"""Addresses of the pages that write flows. Pages that also show executions belong to the layer above."""

from django.urls import path, re_path

from flows.pages import editor

urlpatterns = [
    path("flows/new", editor.new, name="flow-new"),
    path("flows/editor/check", editor.check),
    path("flows/editor/save", editor.save),
    path("flows/editor/words", editor.words),
    path("flows/<str:namespace>/<str:flow_id>/edit", editor.edit, name="flow-edit"),
    path("flows/<str:namespace>/<str:flow_id>/revisions", editor.revisions, name="flow-revisions"),
    path("flows/<str:namespace>/<str:flow_id>/restore", editor.restore),
    re_path(r"^flows/(?P<namespace>[^/]+)/(?P<flow_id>[^/]+)/(?P<action>enable|disable|delete)$", editor.switch),
]
