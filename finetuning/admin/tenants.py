"""Operators' view of users and organizations, across all tenants."""

from typing import Any, cast

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from finetuning import audit
from finetuning.models import (
    Invitation,
    Membership,
    Organization,
    Role,
    SecondFactor,
    TokenFamily,
    TokenFamilyQuerySet,
    User,
    Workspace,
)
from finetuning.operators import OperatorAdmin, ReadOnlyAdmin, linked, lists_of
from finetuning.organizations import services
from finetuning.second_factor import services as second_factor


class MembershipInline(admin.TabularInline[Membership, Organization]):
    model = Membership
    extra = 0
    autocomplete_fields = ("user",)


class PasswordForm(AdminPasswordChangeForm):  # type: ignore[type-arg]
    """Django's, whose change stands in the audit."""

    def save(self, commit: bool = True) -> User:  # noqa: FBT001, FBT002 - Django's signature
        user: User = super().save(commit)
        user.end_sign_ins(timezone.now())
        audit.record("user.password_changed", user)
        return user


@admin.register(User)
class UserAdmin(OperatorAdmin, DjangoUserAdmin[User]):
    ordering = ("email",)
    change_password_form = PasswordForm
    list_display = ("email", "first_name", "last_name", "is_active", "is_staff", "last_login")
    list_filter = ("is_active", "is_staff", "last_login")
    search_fields = ("email", "first_name", "last_name", "id")
    date_hierarchy = "date_joined"
    readonly_fields = ("last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("email", "password")}),
        ("Person", {"fields": ("first_name", "last_name")}),
        ("Rights", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "usable_password", "password1", "password2")}),)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: Any) -> None:
        super().save_model(request, obj, form, change)
        if not obj.is_active:
            # Else they would live again with the user, who may have been deactivated for them.
            obj.end_sign_ins(timezone.now())


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(OperatorAdmin, DjangoGroupAdmin):
    """Django's, whose changes stand in the audit."""


@admin.register(Organization)
class OrganizationAdmin(OperatorAdmin):
    list_display = ("name", "id", "created_at", "suspended_at", "deleted_at")
    list_filter = (
        ("suspended_at", admin.EmptyFieldListFilter),
        ("deleted_at", admin.EmptyFieldListFilter),
        "created_at",
    )
    search_fields = ("name", "id")
    date_hierarchy = "created_at"
    readonly_fields = ("id", "related", "created_at", "updated_at", "suspended_at", "deleted_at")
    inlines = (MembershipInline,)
    actions = ("suspend", "resume", "restore", "export_csv")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Organization]:
        return Organization.with_deleted.all()

    @admin.action(description="Restore deleted organizations", permissions=["act"])
    def restore(self, request: HttpRequest, queryset: QuerySet[Organization]) -> None:
        for organization in queryset:
            services.restore_organization(organization)
        restored = len(queryset)
        self.message_user(request, f"{restored} organizations restored. Cancelled jobs stay cancelled.")

    @admin.action(description="Suspend: refuse their people and keys", permissions=["act"])
    def suspend(self, request: HttpRequest, queryset: QuerySet[Organization]) -> None:
        for organization in queryset:
            services.suspend_organization(organization)
        self.message_user(request, f"{len(queryset)} organizations are suspended. Runs at providers go on.")

    @admin.action(description="End the suspension", permissions=["act"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Organization]) -> None:
        for organization in queryset:
            services.resume_organization(organization)
        self.message_user(request, f"{len(queryset)} organizations may work again.")

    @admin.display(description="Rows")
    def related(self, organization: Organization) -> str:
        """Links to the lists of what belongs to it."""
        return lists_of(organization, "organization")

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: Any) -> None:
        super().save_formset(request, form, formset, change)
        for membership, _ in formset.changed_objects:
            membership.change_role(Role(membership.role))
            audit.record("membership.changed", membership, details={"role": membership.role})
        for membership in formset.new_objects:
            audit.record("membership.created", membership, before={})
        for membership in formset.deleted_objects:
            audit.record("membership.deleted", membership)


@admin.register(Membership)
class MembershipAdmin(OperatorAdmin):
    list_display = ("id", linked("user"), linked("organization"), "role", "created_at")
    list_filter = ("role", "created_at")
    date_hierarchy = "created_at"
    search_fields = ("user__email", "organization__name")
    list_select_related = ("user", "organization")
    autocomplete_fields = ("user", "organization")

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: Any) -> None:
        super().save_model(request, obj, form, change)
        if change:
            obj.change_role(Role(obj.role))


@admin.register(TokenFamily)
class TokenFamilyAdmin(ReadOnlyAdmin):
    list_display = ("id", linked("membership"), "created_at", "last_used_at", "expires_at", "revoked_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    search_fields = ("=id", "membership__user__email", "membership__organization__name")
    date_hierarchy = "created_at"
    list_select_related = ("membership__user", "membership__organization")
    ordering = ("-created_at", "-id")
    actions = ("revoke", "export_csv")

    @admin.action(description="Revoke: end these sign-ins to the API", permissions=["act"])
    def revoke(self, request: HttpRequest, queryset: TokenFamilyQuerySet) -> None:
        operator = cast(User, request.user)
        ended = [family for family in queryset if services.end_sign_in(family, by=operator)]
        self.message_user(request, f"{len(ended)} sign-ins have ended.")


@admin.register(SecondFactor)
class SecondFactorAdmin(ReadOnlyAdmin):
    list_display = ("user", "confirmed_at", "created_at")
    list_filter = (("confirmed_at", admin.EmptyFieldListFilter), "created_at")
    search_fields = ("user__email", "user__id")
    date_hierarchy = "created_at"
    list_select_related = ("user",)
    actions = ("forget", "export_csv")

    @admin.action(description="Forget: its telephone is lost", permissions=["act"])
    def forget(self, request: HttpRequest, queryset: QuerySet[SecondFactor]) -> None:
        forgotten = [second_factor.forget_factor(factor) for factor in queryset]
        self.message_user(request, f"{len(forgotten)} second factors are forgotten.")


@admin.register(Invitation)
class InvitationAdmin(OperatorAdmin):
    list_display = (
        "email",
        linked("organization"),
        "role",
        "created_at",
        "expires_at",
        "accepted_at",
        "revoked_at",
    )
    list_filter = (
        "role",
        ("accepted_at", admin.EmptyFieldListFilter),
        ("revoked_at", admin.EmptyFieldListFilter),
    )
    search_fields = ("email", "organization__name")
    date_hierarchy = "created_at"
    list_select_related = ("organization",)

    # Only the product knows the token, so nothing can be added or changed here.
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Invitation | None = None) -> bool:
        return False


@admin.register(Workspace)
class WorkspaceAdmin(OperatorAdmin):
    list_filter = ("created_at",)
    date_hierarchy = "created_at"
    list_display = ("name", linked("organization"), "id", "created_at")
    search_fields = ("name", "id", "organization__name")
    list_select_related = ("organization",)
    autocomplete_fields = ("organization",)
