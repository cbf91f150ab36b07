{{/*
KEDA's look at the queue.
Invariant: every value is a text, as KEDA wants it, and the length follows from a delay that is
accepted and a rate that was measured: KEDA's own default, 5, would start every loader for 15
messages.
*/}}

{{- define "loginetl.usesKeda" -}}
{{- $loader := .Values.loader -}}
{{- $mode := $loader.mode -}}
{{- $scaled := and (eq $mode "deployment") $loader.keda.enabled -}}
{{- if and $loader.enabled (or (eq $mode "scaledjob") $scaled) -}}
true
{{- end -}}
{{- end -}}

{{- define "loginetl.trigger" -}}
{{- $keda := .Values.loader.keda -}}
- type: aws-sqs-queue
  metadata:
    queueURL: {{ .Values.queue.url | quote }}
    awsRegion: {{ .Values.aws.region | quote }}
    {{- with .Values.aws.endpointUrl }}
    awsEndpoint: {{ . | quote }}
    {{- end }}
    queueLength: {{ mul $keda.acceptedDelaySeconds $keda.messagesPerSecond | quote }}
    activationQueueLength: "0"
    scaleOnInFlight: "true"
    scaleOnDelayed: "false"
  authenticationRef:
    name: {{ include "loginetl.fullname" . }}-scaler
{{- end -}}
