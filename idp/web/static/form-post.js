// Carries the answer to the service as soon as the page is there; without script a button does.
document.getElementById("answer").submit();
