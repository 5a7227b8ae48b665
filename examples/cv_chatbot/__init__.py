"""A chatbot that answers questions about a CV, and hands its analytics to fireforget."""
