"""For the tests of services that log people in: a provider of their own, and people who answer without a browser or a phone.

Owns a process (``idp dev``) and what a test says to it over HTTP; imports nothing else of the provider. With pytest the fixture
``veilleur_provider`` (:mod:`idp.testing.plugin`) is all that is needed::

    def test_a_doctor_gets_in(veilleur_provider, my_service):
        back = veilleur_provider.log_in(my_service.login_url(), "899700000005")
        assert my_service.finish(back).national_id == "899700000005"
"""

from idp.testing.provider import DevProvider, LoginStopped, Means, Outcome, running

__all__ = ["DevProvider", "LoginStopped", "Means", "Outcome", "running"]
