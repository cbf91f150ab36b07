{{/*
Names, labels and the image.
Invariant: two objects of one release never have one name and kind; what selects pods is the same in
every version of the chart.
*/}}

{{- define "loginetl.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What selects the pods of one task. Takes {root, task}. */}}
{{- define "loginetl.selector" -}}
app.kubernetes.io/name: {{ .root.Values.nameOverride | default .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .task }}
{{- end -}}

{{/* What selects the pods of one role, whatever they do. Takes {root, role}. */}}
{{- define "loginetl.roleSelector" -}}
app.kubernetes.io/name: {{ .root.Values.nameOverride | default .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
loginetl-role: {{ .role }}
{{- end -}}

{{/* Labels of an object: its own beat those that are added. Takes {root, task}, perhaps extra. */}}
{{- define "loginetl.labels" -}}
{{- $own := include "loginetl.selector" . | fromYaml -}}
{{- $chart := printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 -}}
{{- $_ := set $own "helm.sh/chart" ($chart | trimSuffix "-") -}}
{{- $_ := set $own "app.kubernetes.io/version" .root.Chart.AppVersion -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" .root.Release.Service -}}
{{- merge $own (.extra | default dict) .root.Values.commonLabels | toYaml -}}
{{- end -}}

{{/*
Labels of a pod: without the chart's version, so that a new chart alone starts no pod anew.
Takes {root, role, task}.
*/}}
{{- define "loginetl.podLabels" -}}
{{- $own := index .root.Values (include "loginetl.section" .) -}}
{{- $labels := include "loginetl.selector" . | fromYaml -}}
{{- $_ := set $labels "loginetl-role" .role -}}
{{- $extra := merge dict ($own.pod.labels | default dict) (.root.Values.pod.labels | default
    dict) -}}
{{- merge $labels $extra .root.Values.commonLabels | toYaml -}}
{{- end -}}

{{- define "loginetl.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* The values of a role: those of the verifier are the auditor's. Takes {root, role}. */}}
{{- define "loginetl.section" -}}
{{- ternary "verifier" .role (eq .role "auditor") -}}
{{- end -}}

{{/* "true" where the pods of a role call AWS. Takes {root, role}. */}}
{{- define "loginetl.callsAws" -}}
{{- if not (and (eq .role "auditor") .root.Values.verifier.publicKey.configMap) -}}true{{- end -}}
{{- end -}}
