{{- define "tidegate.name" -}}
{{- if contains "tidegate" .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-tidegate{{ end -}}
{{- end -}}

{{- define "tidegate.selector" -}}
app.kubernetes.io/name: tidegate
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "tidegate.labels" -}}
{{ include "tidegate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{- /* The StatefulSet of a zone: (dict "root" $ "zone" $zone) */ -}}
{{- define "tidegate.set" -}}
{{ include "tidegate.name" .root }}-{{ .zone.name | lower | replace "_" "-" | replace "." "-" }}
{{- end -}}

{{- /* Where its pods have their names. */ -}}
{{- define "tidegate.domain" -}}
{{ include "tidegate.name" . }}-pods.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}
{{- end -}}

{{- define "tidegate.advertiseDomain" -}}
{{ .Values.advertiseDomain | default (include "tidegate.domain" .) }}
{{- end -}}

{{- define "tidegate.replicas" -}}
{{ .zone.replicas | default .root.Values.replicas }}
{{- end -}}
