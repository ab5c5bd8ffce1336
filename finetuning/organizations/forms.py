"""What the pages ask about an organization, its workspaces and the person."""

from django import forms


class NameForm(forms.Form):
    name = forms.CharField(max_length=200)


class DeleteForm(forms.Form):
    name = forms.CharField(
        label="Name of the organization",
        max_length=200,
        strip=False,
        widget=forms.TextInput({"autocomplete": "off"}),
    )


class ProfileForm(forms.Form):
    name = forms.CharField(
        label="Your name", max_length=150, required=False, widget=forms.TextInput({"autocomplete": "name"})
    )
