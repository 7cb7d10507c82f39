output "service" {
  description = "The PagerDuty service that is paged for the repo."
  value       = pagerduty_service.repo.name
}

output "service_id" {
  description = "Its id."
  value       = pagerduty_service.repo.id
}

output "dashboard_uid" {
  description = "The dashboard is at GRAFANA/d/ and this."
  value       = local.uid
}
